import {
  type CloseReason,
  type NostrEvent,
  parseAddress,
  parseStreamClose,
  streamCloseTemplate,
} from '../../events/index.ts'
import { type Decision, decisionOf, type Reader, reject, type Tx } from '../plugin.ts'
import { clockFor, type Desk, unixSeconds } from './desk.ts'
import { eventsOf as directEvents } from './direct/index.ts'
import { directSessions } from './direct/session.ts'
import { dueOf } from './meter.ts'
import { arrears, dayKey, usedStreamIds } from './open.ts'
import { conclude, earned, postRevenue } from './revenue.ts'
import {
  accrued,
  type Session,
  sessions,
  sessionsOfStream,
  sessionsOfViewer,
  streamPrefix,
} from './session.ts'
import { vouchers } from './voucher.ts'

export interface Closing {
  readonly reason: CloseReason
  /** A sentence for the viewer. */
  readonly message?: string
  readonly errorCode?: string
  /** The viewer's 5615, where the viewer closed. */
  readonly event?: NostrEvent
}

/** Settles the session that a viewer's 5615 closes, and answers with the relay's own. */
export function closer(desk: Desk) {
  return async (event: NostrEvent): Promise<Decision> => {
    const said = parseStreamClose(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    return desk.host.store.transaction(async tx => {
      const session = await sessions.get(tx, said.value.session)
      if (!session) return reject('invalid: this close names no session of this relay')
      if (event.pubkey !== session.viewer)
        return reject('restricted: only the parties of a session close it')
      if (session.settled) {
        const answer = session.settled.events[0] ?? ''
        return { action: 'accept', msg: `duplicate: this session is closed already, see ${answer}` }
      }
      const outcome = await tx.putEvent(event)
      if (outcome === 'stored')
        await settleSession(tx, desk, session, { reason: said.value.reason, event })
      return decisionOf(outcome)
    })
  }
}

/**
 * Closes an open session in the caller's transaction: bills what ran, refunds what was not due, shares out the last
 * unit, says so in a signed 5615. On a settled session it does nothing.
 */
export async function settleSession(
  tx: Tx,
  desk: Desk,
  session: Session,
  closing: Closing,
): Promise<void> {
  if (session.status !== 'open') return
  const { host, options } = desk
  const nowMs = host.clock.now()
  const last = accrued(session, await clockFor(tx, session, nowMs))
  const kept = earned(last)
  const refunded = last.received - kept
  const posting = { id: `close:${last.id}`, asset: last.asset, at: nowMs, memo: closing.reason }
  if (last.received > 0n) await postRevenue(tx, last, { ...posting, entries: conclude(last, kept) })
  if (last.purpose === 'video_access' && dueOf(last.epochs) > last.received)
    await noteArrears(tx, last, nowMs)

  const answer = host.sign(
    streamCloseTemplate(
      {
        session: last.id,
        streamId: last.streamId,
        to: last.viewer,
        address: last.address,
        reason: closing.reason,
        finalSent: last.received,
        finalReceived: kept,
        refunded,
        errorCode: closing.errorCode,
        message: closing.message,
      },
      unixSeconds(nowMs),
    ),
  )
  await tx.putEvent(answer)
  const events = [answer.id, ...(closing.event ? [closing.event.id] : [])]
  const settled = { at: nowMs, reason: closing.reason, events, refunded }
  await sessions.put(tx, last.id, { ...last, recognised: kept, status: 'settled', settled })
  await sessionsOfViewer.delete(tx, `${last.viewer} ${last.id}`)
  await sessionsOfStream.delete(tx, streamPrefix(last.address) + last.id)
  const runAt = nowMs + options.retentionHours * 3_600_000
  await tx.enqueue({ name: 'forget', key: last.id, runAt })
}

const noteArrears = (tx: Tx, { id, viewer, address }: Session, nowMs: number) =>
  arrears.put(tx, dayKey(viewer, parseAddress(address)?.pubkey ?? '', nowMs), { session: id })

/** Sessions settled in one transaction: others wait for it. */
const BATCH = 25

/**
 * Settles every open session of a stream, a few in each transaction; resolves with their number. Twice is once.
 *
 * @example
 * await closeSessionsOf(desk, address, { reason: 'complete', message: 'the stream is over' })
 */
export async function closeSessionsOf(
  desk: Desk,
  address: string,
  closing: Closing,
): Promise<number> {
  let closed = 0
  for (;;) {
    const batch = await desk.host.store.transaction(async tx => {
      const open = await openOn(tx, address, BATCH)
      for (const session of open) await settleSession(tx, desk, session, closing)
      return open.filter(({ status }) => status === 'open').length
    })
    closed += batch
    if (batch === 0) return closed
  }
}

/** Open sessions of a stream, at most `limit`. */
export async function openOn(reader: Reader, address: string, limit?: number): Promise<Session[]> {
  const rows = await sessionsOfStream.list(reader, { prefix: streamPrefix(address), limit })
  const found = await Promise.all(rows.map(({ value }) => sessions.get(reader, value.session)))
  return found.filter(session => session !== undefined)
}

/** Retention: takes out a settled session with its events; the ledger keeps what it posted. */
export function forgetter({ host }: Desk) {
  return ({ key: id }: { key: string }): Promise<void> =>
    host.store.transaction(async tx => {
      const direct = await directSessions.get(tx, id)
      const session = direct ?? (await sessions.get(tx, id))
      const over = direct ? direct.status === 'closed' : session?.status === 'settled'
      if (!session || !over) return
      for (const event of 'payee' in session ? directEvents(session) : eventsOf(session))
        await tx.removeEvent(event)
      for (const { key } of await vouchers.list(tx, { prefix: `${id} ` }))
        await vouchers.delete(tx, key)
      await usedStreamIds.delete(tx, `${session.viewer} ${session.streamId}`)
      await sessions.delete(tx, id)
      await directSessions.delete(tx, id)
    })
}

const eventsOf = ({ id, accept, money, receipt, flow, settled }: Session): string[] =>
  [id, accept, money, receipt, flow, ...(settled?.events ?? [])].filter(
    event => event !== undefined,
  )
