import {
  addressOf,
  isBelow,
  kinds,
  type NostrEvent,
  type Price,
  tagsNamed,
} from '../../events/index.ts'
import { acceptsMedia } from '../live-stream/lifecycle.ts'
import { type LiveStream, streamClock, streams } from '../live-stream/stream.ts'
import type { OnStored, Reader, Tx } from '../plugin.ts'
import { type Closing, closeSessionsOf, openOn, settleSession } from './close.ts'
import type { Desk } from './desk.ts'
import { type Epoch, running } from './meter.ts'
import {
  accrued,
  paidUntil,
  type Session,
  sessionAt,
  sessions,
  sessionsOfStream,
} from './session.ts'

const OVER: Closing = { reason: 'complete', message: 'the stream is over' }

/**
 * Looks after the open sessions of a stream: closes them when it is over, passes on its price, times out what serves
 * nobody. A job for each stream that has any, again every `watchSeconds`, and at once when the host says something.
 */
export function watcher(desk: Desk) {
  const { host, options } = desk

  async function watch({ key: address }: { key: string }): Promise<void> {
    const stream = await streams.get(host.store, address)
    if (!stream || stream.status === 'ended') {
      const closed = await closeSessionsOf(desk, address, OVER)
      if (closed > 0) host.log.info({ stream: address, closed }, 'sessions settled with the stream')
      return
    }
    for (const session of await openOn(host.store, address))
      if (needsReview(session, stream, desk))
        await host.store.transaction(tx => review(tx, desk, session.id))
    // The host has said that it is over, live-stream has not yet drawn the conclusion: look again soon.
    const soon = !acceptsMedia(stream)
    const delay = soon ? 500 : options.watchSeconds * 1000
    await host.store.transaction(tx => watchAgain(tx, address, host.clock.now() + delay))
  }

  /** The host (or our companion, or a deletion) spoke about streams: look at those that have sessions. */
  const announced: OnStored = {
    async when(event, reader) {
      for (const address of addressesIn(event)) if (await hasSessions(reader, address)) return true
      return false
    },
    run: event =>
      host.store.transaction(async tx => {
        for (const address of addressesIn(event)) await watchAgain(tx, address, host.clock.now())
      }),
  }

  /** After a restart: every stream with open sessions is looked at, whatever became of its job. */
  async function resume(): Promise<void> {
    const open = await sessionsOfStream.list(host.store)
    const addresses = new Set(open.map(({ value }) => value.address))
    await host.store.transaction(async tx => {
      for (const address of addresses) await watchAgain(tx, address, host.clock.now())
    })
  }

  return { watch, announced, resume }
}

/** The streams that an announcement or a deletion speaks of. */
function addressesIn(event: NostrEvent): string[] {
  const named = tagsNamed(event, 'a').map(tag => tag[1] ?? '')
  const own = event.kind === kinds.LiveStream ? addressOf(event) : undefined
  return [...(own === undefined ? [] : [own]), ...named].slice(0, 100)
}

const hasSessions = async (reader: Reader, address: string): Promise<boolean> =>
  (await openOn(reader, address, 1)).length > 0

async function watchAgain(tx: Tx, address: string, runAt: number): Promise<void> {
  if (!(await hasSessions(tx, address))) return
  await tx.enqueue({ name: 'watch', key: address, runAt })
}

function needsReview(session: Session, stream: LiveStream, { host, options }: Desk): boolean {
  const nowMs = host.clock.now()
  const noticeMs = options.noticeSeconds * 1000
  return (
    overdue(session, stream, nowMs, options) !== undefined ||
    repriced(session, stream, nowMs, noticeMs) !== session
  )
}

/** One session, read and written in one transaction: a payment may have come meanwhile. */
async function review(tx: Tx, desk: Desk, id: string): Promise<void> {
  const session = await sessions.get(tx, id)
  const stream = session && (await streams.get(tx, session.address))
  if (!session || !stream || session.status !== 'open') return
  const nowMs = desk.host.clock.now()
  const closing = overdue(session, stream, nowMs, desk.options)
  if (closing) return settleSession(tx, desk, session, closing)
  const priced = repriced(session, stream, nowMs, desk.options.noticeSeconds * 1000)
  if (priced !== session) await sessions.put(tx, id, priced)
}

/** Why the session is to be closed now, if it is. */
export function overdue(
  session: Session,
  stream: LiveStream,
  nowMs: number,
  options: { idleSeconds: number; pausedSeconds: number },
): Closing | undefined {
  if (session.noticeEndsAt !== undefined && streamClock(stream, nowMs) >= session.noticeEndsAt)
    return {
      reason: 'error',
      errorCode: 'price-rose',
      message: 'the price of this stream rose, open a new session at the new price',
    }
  return nowMs >= idleFrom(session, stream, nowMs, options)
    ? { reason: 'timeout', message: 'nothing was paid for a while' }
    : undefined
}

/** When a session that goes on like this has been of no use for too long, unix ms. */
function idleFrom(
  session: Session,
  stream: LiveStream,
  nowMs: number,
  { idleSeconds, pausedSeconds }: { idleSeconds: number; pausedSeconds: number },
): number {
  const touched = session.paidAt ?? session.openedAt
  const live = stream.liveSince !== undefined
  const { state } = sessionAt(session, streamClock(stream, nowMs), live)
  if (session.purpose === 'tip' || state === 'PROPOSED') return touched + idleSeconds * 1000
  if (state === 'SUSPENDED') {
    const served = (paidUntil(session, stream, nowMs) ?? touched) + session.graceMs
    return Math.max(touched, served) + idleSeconds * 1000
  }
  return live ? Number.POSITIVE_INFINITY : touched + pausedSeconds * 1000
}

/**
 * The session after its stream's price changed: a lower price holds at once, in a new epoch; at a higher one (or in
 * another asset) the old one holds until the notice is over, and then the session with it.
 */
export function repriced(
  session: Session,
  stream: LiveStream,
  nowMs: number,
  noticeMs: number,
): Session {
  if (session.purpose !== 'video_access') return session
  const { rate } = running(session.epochs)
  const price: Price = stream.price ?? { amount: 0n, unit: 'second', asset: session.asset }
  if (isBelow(rate, price) || price.asset !== session.asset)
    return session.noticeEndsAt === undefined
      ? { ...session, noticeEndsAt: streamClock(stream, nowMs) + noticeMs }
      : session
  const { noticeEndsAt, ...calm } = session
  if (!isBelow(price, rate)) return noticeEndsAt === undefined ? session : calm
  const billed = accrued(calm, streamClock(stream, nowMs))
  const next: Epoch = { rate: { amount: price.amount, unit: price.unit }, activeMs: 0 }
  const past = billed.epochs.filter(epoch => epoch.activeMs > 0)
  return { ...billed, epochs: [...past, next] }
}
