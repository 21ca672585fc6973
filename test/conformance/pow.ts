import { type Event, type EventTemplate, nip13 } from 'nostr-tools'
import type { RelayInfo } from './check.ts'
import type { Person } from './client.ts'

/** Signs an event with the work that the relay asks for (NIP-13), none where it asks for none. */
export function pow(
  info: RelayInfo,
  who: Person,
  template: Partial<EventTemplate> & { kind: number },
  bits = Number(info.limitation?.min_pow_difficulty ?? 0),
): Event {
  if (bits === 0) return who.sign(template)
  const whole = { created_at: Math.floor(Date.now() / 1000), tags: [], content: '', ...template }
  const { kind, created_at, tags, content } = nip13.minePow({ ...whole, pubkey: who.pubkey }, bits)
  return who.sign({ kind, created_at, tags, content })
}
