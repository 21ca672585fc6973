import { isHex64, kinds, tagsNamed } from '../events/index.ts'
import type { Relay } from './relay.ts'

/** Whom a pubkey follows, as far as this relay knows (kind 3, NIP-02). Example: `(await follows(relay, me)).has(host)`. */
export async function follows(relay: Relay, pubkey: string): Promise<ReadonlySet<string>> {
  const [newest] = await relay.query([{ kinds: [kinds.Follows], authors: [pubkey], limit: 1 }])
  const named = newest ? tagsNamed(newest, 'p').map(tag => tag[1]) : []
  return new Set(named.filter(isHex64))
}
