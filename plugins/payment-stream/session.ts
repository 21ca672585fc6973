import { z } from 'zod'
import { amount, collection } from '../collection.ts'
import { publicId } from '../live-stream/lifecycle.ts'
import { type LiveStream, streamClock } from '../live-stream/stream.ts'
import type { Reader } from '../plugin.ts'
import { dueOf, FOREVER_MS, ran, remainingMs, running } from './meter.ts'

const rate = z.object({ amount, unit: z.enum(['second', 'minute', 'hour']) })

/**
 * A payment session as its payee keeps it, keyed by the id of its 5610. Nothing runs: `epochs` count the billed
 * time up to `asOf` on the stream's clock, and whoever asks later adds what the clock has moved since.
 */
const shape = z.object({
  id: z.string(),
  viewer: z.string(),
  /** The stream's address. */
  address: z.string(),
  streamId: z.string(),
  purpose: z.enum(['video_access', 'tip']),
  asset: z.string(),
  /** The viewer's own cap on the total. */
  maxTotal: amount.optional(),
  /** Unix ms. */
  openedAt: z.number(),
  /** Prices and the time billed at each, oldest first; frozen, whatever the host announces later. */
  epochs: z.array(z.object({ rate, activeMs: z.number() })).min(1),
  /** Who gets which part; frozen at the opening. */
  shares: z.array(z.object({ account: z.string(), bp: z.number() })),
  /** Served beyond what is paid, ms; due all the same. */
  graceMs: z.number(),
  /** Stream clock (ms) up to which `epochs` count. */
  asOf: z.number(),
  /** Stream clock (ms) at which the free preview ends. */
  previewEndsAt: z.number().optional(),
  /** Stream clock (ms) at which the session serves (and bills) no more, because the price rose. */
  noticeEndsAt: z.number().optional(),
  /** Received in all; what of it was recognised as revenue. */
  received: amount,
  recognised: amount,
  /** Cumulative amount that the payee takes, as last announced. */
  maxReceive: amount,
  /** Hex: what the conditions of ILP packets are made from, where the session can be paid by them. */
  secret: z.string().optional(),
  /** Highest sequence settled. */
  sequence: amount.optional(),
  /** Unix ms of the last payment. */
  paidAt: z.number().optional(),
  /** Events of which only the latest is kept. */
  money: z.string().optional(),
  receipt: z.string().optional(),
  flow: z.string().optional(),
  accept: z.string(),
  status: z.enum(['open', 'settled']),
  settled: z
    .object({
      /** Unix ms. */
      at: z.number(),
      reason: z.enum(['complete', 'cancelled', 'error', 'timeout']),
      /** The relay's 5615, and the viewer's if it closed. */
      events: z.array(z.string()),
      refunded: amount,
    })
    .optional(),
})

export type Session = z.output<typeof shape>

/** All sessions, until they are forgotten some time after they settled. */
export const sessions = collection('session', shape)
/** Open sessions by their viewer: `<viewer> <session>` -> stream address. */
export const sessionsOfViewer = collection('session-of-viewer', z.object({ address: z.string() }))
/** Open sessions by their stream: `<public id of the stream> <session>`; a `d` may hold anything, an id may not. */
export const sessionsOfStream = collection(
  'session-of-stream',
  z.object({ address: z.string(), session: z.string() }),
)
export const streamPrefix = (address: string): string => `${publicId(address)} `

/**
 * PROPOSED: accepted, and neither paid nor in a preview. PAUSED: paid up, and the stream stands. GRACE: more is due
 * than was paid. SUSPENDED: so much more that nothing is served. SETTLED: closed, refunded, shared out.
 */
export type SessionState =
  | 'PROPOSED'
  | 'PREVIEW'
  | 'ACTIVE'
  | 'PAUSED'
  | 'GRACE'
  | 'SUSPENDED'
  | 'SETTLED'

export interface Standing {
  readonly state: SessionState
  /** Billed time, ms. */
  readonly activeMs: number
  /** What that costs: the cumulative amount due. */
  readonly due: bigint
  /** Time that is still paid for, ms; negative in GRACE and SUSPENDED. Preview time to come is on top. */
  readonly remainingMs: number
}

const isFree = (session: Session): boolean => running(session.epochs).rate.amount === 0n
/** Billing has begun with the first money, or needs none. */
const isFunded = (session: Session): boolean => session.received > 0n || isFree(session)

/**
 * The session with its billed time brought up to `clock` (stream clock, ms). Billing starts at the first payment or
 * at the preview's end, whichever is later, and stops at what is paid plus the grace. A clock that came back a
 * little lower after a crash bills nothing until it has caught up.
 */
export function accrued(session: Session, clock: number): Session {
  if (clock <= session.asOf) return session
  const from = Math.max(session.asOf, session.previewEndsAt ?? 0)
  const to = Math.min(clock, session.noticeEndsAt ?? clock)
  const elapsed = isFunded(session) ? Math.max(0, to - from) : 0
  const most = Math.max(0, remainingMs(session.epochs, session.received) + session.graceMs)
  return { ...session, epochs: ran(session.epochs, Math.min(elapsed, most)), asOf: clock }
}

/**
 * Where the session stands when its stream's clock shows `clock` ms (running or not).
 *
 * @example
 * sessionAt(session, streamClock(stream, now), stream.liveSince !== undefined).state // 'ACTIVE'
 */
export function sessionAt(session: Session, clock: number, live = true): Standing {
  const { epochs } = session.status === 'open' ? accrued(session, clock) : session
  return {
    state: stateAt(session, clock, live),
    activeMs: epochs.reduce((sum, epoch) => sum + epoch.activeMs, 0),
    due: dueOf(epochs),
    remainingMs: remainingMs(epochs, session.received),
  }
}

function stateAt(session: Session, clock: number, live: boolean): SessionState {
  if (session.status === 'settled') return 'SETTLED'
  if (session.previewEndsAt !== undefined && clock < session.previewEndsAt) return 'PREVIEW'
  if (!isFunded(session)) return 'PROPOSED'
  const left = leftMs(session, clock)
  if (left + session.graceMs <= 0 || noticeLeft(session, clock) <= 0) return 'SUSPENDED'
  if (left < 0) return 'GRACE'
  return live ? 'ACTIVE' : 'PAUSED'
}

/**
 * Paid time left at `clock`, ms, preview to come included; unlike the billed time it goes on falling after the
 * session was suspended, so that it tells how long ago that was.
 */
function leftMs(session: Session, clock: number): number {
  const from = Math.max(session.asOf, session.previewEndsAt ?? 0)
  return remainingMs(session.epochs, session.received) - (clock - from)
}

/** How long the price still holds, ms. */
const noticeLeft = ({ noticeEndsAt }: Session, clock: number): number =>
  noticeEndsAt === undefined ? FOREVER_MS : noticeEndsAt - clock

/**
 * Until when the viewer may watch without another payment, unix ms at `nowMs`; while the stream stands, it moves
 * along. Undefined before anything was paid or given.
 */
export function paidUntil(session: Session, stream: LiveStream, nowMs: number): number | undefined {
  const clock = streamClock(stream, nowMs)
  if (isFunded(session))
    return nowMs + Math.min(leftMs(session, clock), noticeLeft(session, clock), FOREVER_MS)
  if (session.previewEndsAt === undefined) return undefined
  return nowMs + Math.min(session.previewEndsAt - clock, noticeLeft(session, clock))
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/**
 * May media that ends at `segmentEndMs` (wall clock, unix ms) be served at `nowMs`? Only while the session is paid up,
 * in its grace or in its preview; then also what lies behind the live edge. No grace before the first payment.
 *
 * @example
 * mayServe(session, stream, segment.endMs, host.clock.now()) // { ok: false, reason: 'this session is closed' }
 */
export function mayServe(
  session: Session,
  stream: LiveStream,
  segmentEndMs: number,
  nowMs: number,
): Verdict {
  if (session.status !== 'open') return no('this session is closed, open a new one to watch on')
  if (session.purpose !== 'video_access' || session.address !== stream.address)
    return no('this session does not pay for watching this stream')
  const notice = noticeLeft(session, streamClock(stream, nowMs))
  if (notice <= 0) return no('the price of this stream rose, open a new session at the new price')
  const until = paidUntil(session, stream, nowMs)
  if (until === undefined) return no('nothing is paid yet in this session')
  // After its preview an unpaid session gets no grace: grace is credit for who has paid before.
  const end = Math.min(until + (isFunded(session) ? session.graceMs : 0), nowMs + notice)
  if (nowMs >= end)
    return no(
      isFunded(session)
        ? 'what was paid is used up, pay to watch on'
        : 'the free preview is over, pay to watch on',
    )
  return segmentEndMs <= end ? { ok: true } : no('this part lies beyond what is paid')
}

const no = (reason: string): Verdict => ({ ok: false, reason })

/** The viewer's open sessions for that stream, in the order of their ids. */
export async function openSessionsOf(
  reader: Reader,
  viewer: string,
  address: string,
): Promise<Session[]> {
  const found = []
  for (const { key, value } of await sessionsOfViewer.list(reader, { prefix: `${viewer} ` })) {
    if (value.address !== address) continue
    const session = await sessions.get(reader, key.slice(viewer.length + 1))
    if (session?.status === 'open') found.push(session)
  }
  return found
}

/** The viewer's open video session for that stream, the one that was paid last. */
export async function openSessionOf(
  reader: Reader,
  viewer: string,
  address: string,
): Promise<Session | undefined> {
  const mine = await openSessionsOf(reader, viewer, address)
  return mine
    .filter(session => session.purpose === 'video_access')
    .sort((a, b) => (b.paidAt ?? b.openedAt) - (a.paidAt ?? a.openedAt))[0]
}
