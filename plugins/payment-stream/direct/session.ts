import { z } from 'zod'
import { amount, collection } from '../../collection.ts'
import type { LiveStream } from '../../live-stream/stream.ts'
import type { Verdict } from '../session.ts'

/** How many payments may wait for the host's receipts: of more, the oldest goes, for the later ones say more. */
export const MAX_WAITING = 16

const promise = z.object({
  /** The id of the 5612. */
  event: z.string(),
  sequence: amount,
  totalSent: amount,
  digest: z.string(),
})

/**
 * A session whose payee is the stream's host, keyed by the id of its 5610. The money goes past this relay: it keeps what
 * both sides signed, in order, and opens the stream for as long as the host's receipts say.
 */
const shape = z.object({
  id: z.string(),
  viewer: z.string(),
  /** The host. */
  payee: z.string(),
  /** The stream's address. */
  address: z.string(),
  streamId: z.string(),
  purpose: z.enum(['video_access', 'tip']),
  asset: z.string(),
  /** The stream's price at the opening: more time than this buys, no receipt opens. */
  rate: z.object({ amount, unit: z.enum(['second', 'minute', 'hour']) }),
  maxTotal: amount.optional(),
  /** proposed: the host has not answered. */
  status: z.enum(['proposed', 'open', 'closed']),
  /** Unix ms of what was last said in it. */
  touchedAt: z.number(),
  /** Cumulative amount that the host takes, as last announced. */
  maxReceive: amount,
  /** Payments without a receipt yet, by their sequence. */
  waiting: z.array(promise),
  /** The newest payment that has one. */
  settled: promise.extend({ receipt: z.string() }).optional(),
  /** By the host's newest receipt: received in all, and until when it opens the stream (unix seconds). */
  received: amount,
  paidUntil: z.number().optional(),
  /** When that receipt came (unix ms), what the stream's clock showed, and how much of it was watched before, ms. */
  receiptAt: z.number(),
  receiptClock: z.number(),
  watchedMs: z.number(),
  /** Ids of the host's newest 5611 and 5614, and of the 5615 of either side. */
  accept: z.string().optional(),
  flow: z.string().optional(),
  closes: z.array(z.object({ author: z.string(), event: z.string() })),
})

export type DirectSession = z.output<typeof shape>
export type Promised = z.output<typeof promise>

export const directSessions = collection('direct-session', shape)

/** The newest payment that the viewer signed, with or without a receipt. */
export const newest = ({ waiting, settled }: DirectSession): Promised | undefined =>
  waiting.at(-1) ?? settled

/** When something is said: unix ms, and what the stream's clock shows then. */
export interface Moment {
  readonly nowMs: number
  readonly clock: number
}

/** How much of its time the session has used up: time in which the stream was live and open to the viewer, ms. */
export function watchedMs(session: DirectSession, { clock }: Moment): number {
  const { paidUntil, receiptAt, receiptClock, watchedMs: before } = session
  if (paidUntil === undefined) return before
  return before + Math.max(0, Math.min(clock - receiptClock, paidUntil * 1000 - receiptAt))
}

/**
 * May media that ends at `segmentEndMs` be served at `nowMs` (unix ms)? Only what the host's receipt covers: no preview
 * and no grace, which would be given in the host's name.
 */
export function directServes(
  session: DirectSession,
  stream: LiveStream,
  segmentEndMs: number,
  nowMs: number,
): Verdict {
  if (session.status === 'closed') return no('this session is closed, open a new one to watch on')
  if (session.purpose !== 'video_access' || session.address !== stream.address)
    return no('this session does not pay for watching this stream')
  if (session.payee !== stream.host || session.paidUntil === undefined)
    return no('the host of this stream has given no receipt yet')
  const end = session.paidUntil * 1000
  if (nowMs >= end) return no('what was paid is used up, pay to watch on')
  return segmentEndMs <= end ? { ok: true } : no('this part lies beyond what is paid')
}

const no = (reason: string): Verdict => ({ ok: false, reason })
