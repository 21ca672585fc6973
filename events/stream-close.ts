import {
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagValue,
  unparsed,
} from './event.ts'

export const closeReasons = ['complete', 'cancelled', 'error', 'timeout'] as const
export type CloseReason = (typeof closeReasons)[number]

/** What a 5615 says: its author ends the session that a 5610 opened. */
export interface StreamClose {
  readonly author: string
  readonly session: string
  readonly reason: CloseReason
  readonly message: string
}

/** Reads a 5615 (docs/events.md, 5615). Amounts in it are the author's account; the ledger's count. */
export function parseStreamClose(event: NostrEvent): Parsed<StreamClose> {
  const session = markedEvent(event, 'open')
  if (!isHex64(session)) return unparsed('a close needs ["e", <5610 id>, "", "open"]')
  const reason = tagValue(event, 'reason')
  if (!(closeReasons as readonly (string | undefined)[]).includes(reason))
    return unparsed(`reason "${reason ?? ''}" is none of ${closeReasons.join(', ')}`)
  return parsed({
    author: event.pubkey,
    session,
    reason: reason as CloseReason,
    message: event.content,
  })
}
