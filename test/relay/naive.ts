import { createHash } from 'node:crypto'
import type { Filter, NostrEvent } from '../../events/index.ts'
import type { Logger } from '../../plugins/plugin.ts'

/** NIP-01's matching, as plainly as it can be said; what the store and live delivery are compared with. */
export function matches(filter: Filter, event: NostrEvent): boolean {
  if (filter.ids && !filter.ids.includes(event.id)) return false
  if (filter.authors && !filter.authors.includes(event.pubkey)) return false
  if (filter.kinds && !filter.kinds.includes(event.kind)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  if (filter.until !== undefined && event.created_at > filter.until) return false
  return Object.entries(filter).every(
    ([name, values]) =>
      !name.startsWith('#') ||
      event.tags.some(
        tag => tag[0] === name.slice(1) && (values as string[]).includes(tag[1] ?? '\u0000'),
      ),
  )
}

let made = 0

/** An event with a true id and an empty signature, for what lies behind verification. */
export function unsigned(fields: Partial<NostrEvent>): NostrEvent {
  const event = {
    pubkey: 'a'.repeat(64),
    created_at: 1_600_000_000,
    kind: 1,
    tags: [],
    content: `${made++}`,
    ...fields,
  }
  const text = JSON.stringify([
    0,
    event.pubkey,
    event.created_at,
    event.kind,
    event.tags,
    event.content,
  ])
  const id = createHash('sha256').update(text).digest('hex')
  const { pubkey, created_at, kind, tags, content } = event
  return { id, pubkey, created_at, kind, tags, content, sig: '0'.repeat(128) }
}

/** A logger for tests that look at something else. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
