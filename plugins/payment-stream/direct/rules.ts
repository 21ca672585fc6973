import {
  paidMs,
  type StreamAccept,
  type StreamFlowControl,
  type StreamMoney,
  type StreamReceipt,
} from '../../../events/index.ts'
import { digestOf } from '../voucher.ts'
import { type DirectSession, type Moment, newest, type Promised, watchedMs } from './session.ts'

/** Clocks differ: a receipt may lie so far beyond what its money buys, in seconds. */
export const TOLERANCE_SECONDS = 5

/** `store`: it is in order. `known`: it was said before. `no`: the sentence, after a NIP-01 prefix. */
export type Ruling =
  | { readonly rule: 'store' }
  | { readonly rule: 'known'; readonly msg: string }
  | { readonly rule: 'no'; readonly msg: string }

const store: Ruling = { rule: 'store' }
const no = (msg: string): Ruling => ({ rule: 'no', msg })
const closed = no('restricted: this session is closed')

/** What both sides say has to be about the session that it names. */
function misnamed(
  session: DirectSession,
  said: { readonly streamId: string; readonly address?: string },
): Ruling | undefined {
  if (said.streamId !== session.streamId)
    return no('invalid: stream_id is not the one of this session')
  if (said.address !== undefined && said.address !== session.address)
    return no('invalid: a is not the stream of this session')
  return undefined
}

const notTheHost = (kind: string): Ruling =>
  no(`restricted: the ${kind} of this session comes from its payee`)

/** A 5611: the host answers once. */
export function ruleAccept(session: DirectSession, author: string, said: StreamAccept): Ruling {
  if (author !== session.payee) return notTheHost('accept')
  if (said.viewer !== session.viewer) return no('invalid: p is not the viewer of this session')
  const wrong = misnamed(session, said)
  if (wrong) return wrong
  if (session.status === 'closed') return closed
  if (session.status === 'open') return no('invalid: this session is accepted already')
  if (said.status === 'accepted' && said.asset !== session.asset)
    return no(`invalid: this session is paid in ${session.asset}, not in ${said.asset}`)
  return store
}

/** A 5612: the checks of docs/events.md, 5612, as far as they can be made without holding the money. */
export function ruleMoney(session: DirectSession, said: StreamMoney): Ruling {
  if (said.viewer !== session.viewer)
    return no('restricted: only the viewer who opened this session pays into it')
  if (said.payee !== session.payee) return no('invalid: p is not the payee of this session')
  const wrong = misnamed(session, said)
  if (wrong) return wrong
  if (session.status === 'closed') return closed
  if (session.status === 'proposed')
    return no('restricted: the host has not accepted this session yet')
  const { sequence, totalSent } = said
  const earlier = [...session.waiting, session.settled].find(one => one?.sequence === sequence)
  if (earlier?.digest === digestOf(said)) return repeated(session, earlier)
  if (earlier)
    return no(`invalid: sequence ${sequence} was used for another promise, use a higher one`)
  const last = newest(session)
  if (last && sequence < last.sequence)
    return no(`invalid: sequence ${sequence} is too old, ${last.sequence} is taken`)
  if (last && totalSent < last.totalSent)
    return no(`invalid: total_sent falls from ${last.totalSent} to ${totalSent}`)
  if (totalSent > session.maxReceive)
    return no(
      `restricted: the host takes up to ${session.maxReceive} in all for now, this makes ${totalSent}`,
    )
  if (session.maxTotal !== undefined && totalSent > session.maxTotal)
    return no(`restricted: this makes ${totalSent}, your max_total is ${session.maxTotal}`)
  return store
}

const repeated = (session: DirectSession, { event }: Promised): Ruling => {
  const receipt = session.settled?.event === event ? session.settled.receipt : undefined
  const msg = receipt
    ? `duplicate: already settled, receipt ${receipt}`
    : 'duplicate: the host has this payment and has not answered yet'
  return { rule: 'known', msg }
}

/**
 * A 5613: the host says what it received for one 5612, never more than its viewer signed, and opens the stream for no
 * longer than what is left of all that at the session's price. Time in which the stream stands uses nothing up.
 */
export function ruleReceipt(
  session: DirectSession,
  author: string,
  said: StreamReceipt,
  at: Moment,
): Ruling {
  if (author !== session.payee) return notTheHost('receipt')
  if (said.viewer !== session.viewer) return no('invalid: p is not the viewer of this session')
  const wrong = misnamed(session, said)
  if (wrong) return wrong
  if (session.status !== 'open') return closed
  const { sequence, totalReceived, received, paidUntil } = said
  if (session.settled && sequence <= session.settled.sequence)
    return no(
      `invalid: sequence ${sequence} has its receipt, ${session.settled.sequence} is the newest`,
    )
  const money = session.waiting.find(one => one.event === said.money)
  if (!money || money.sequence !== sequence)
    return no('invalid: this receipt answers no payment of this session')
  if (totalReceived !== session.received + received)
    return no(
      `invalid: ${session.received} was received before, with ${received} more that is not ${totalReceived}`,
    )
  if (totalReceived > money.totalSent)
    return no(`invalid: the viewer signed ${money.totalSent}, ${totalReceived} cannot be received`)
  const buys = Number(paidMs(session.rate, totalReceived) ?? 0n)
  const most = Math.floor((at.nowMs + buys - watchedMs(session, at)) / 1000) + TOLERANCE_SECONDS
  if (session.purpose === 'video_access' && paidUntil > most)
    return no(`invalid: ${totalReceived} in all buys time up to ${most}, not up to ${paidUntil}`)
  return store
}

/** A 5614: the window moves, never below what the viewer has signed already. */
export function ruleFlow(session: DirectSession, author: string, said: StreamFlowControl): Ruling {
  if (author !== session.payee) return notTheHost('flow control')
  if (said.viewer !== session.viewer) return no('invalid: p is not the viewer of this session')
  const wrong = misnamed(session, said)
  if (wrong) return wrong
  if (session.status !== 'open') return closed
  if (said.currentOffset !== session.received)
    return no(`invalid: current_offset is ${said.currentOffset}, received is ${session.received}`)
  return store
}
