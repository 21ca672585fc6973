import {
  type EventTemplate,
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagValue,
  unparsed,
} from './event.ts'
import { kinds } from './kinds.ts'

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

/** The account that a 5615 closes with. */
export interface ClosingAccount {
  readonly session: string
  readonly streamId: string
  /** Whom it tells: the other party. */
  readonly to: string
  readonly address?: string
  readonly reason: CloseReason
  /** What the viewer sent in all. */
  readonly finalSent: bigint
  /** What of it the payee keeps. */
  readonly finalReceived: bigint
  /** What went back to the viewer's balance; only the payee can say. */
  readonly refunded?: bigint
  readonly errorCode?: string
  readonly message?: string
}

/** The template of a 5615, of either party. Example: `host.sign(streamCloseTemplate(account, now))`. */
export function streamCloseTemplate(account: ClosingAccount, createdAt: number): EventTemplate {
  const tags = [
    ['e', account.session, '', 'open'],
    ['stream_id', account.streamId],
    ['p', account.to],
    ...(account.address === undefined ? [] : [['a', account.address]]),
    ['reason', account.reason],
    ['final_sent', String(account.finalSent)],
    ['final_received', String(account.finalReceived)],
    ...(account.refunded === undefined ? [] : [['refunded', String(account.refunded)]]),
    ...(account.errorCode === undefined ? [] : [['error_code', account.errorCode]]),
  ]
  return { kind: kinds.StreamClose, created_at: createdAt, tags, content: account.message ?? '' }
}
