import { z } from 'zod'
import {
  type NostrEvent,
  parseStreamMoney,
  type StreamMoney,
  streamReceiptTemplate,
} from '../../events/index.ts'
import { collection } from '../collection.ts'
import { type LiveStream, streamClock, streams } from '../live-stream/stream.ts'
import {
  type Decision,
  decisionOf,
  type PolicyContext,
  type PutOutcome,
  reject,
  type Tx,
} from '../plugin.ts'
import { type Desk, railsFor, tellFlow, unixSeconds, windowOf } from './desk.ts'
import { costOf, greater } from './meter.ts'
import { earned, postRevenue, recognise } from './revenue.ts'
import { accrued, paidUntil, type Session, sessions } from './session.ts'
import {
  type Carried,
  digestOf,
  judge,
  noteVoucher,
  type Refusal,
  voucherKey,
  vouchers,
} from './voucher.ts'

/** `<session> <sequence>` -> the second, different promise, as its viewer signed it. */
export const equivocations = collection('equivocation', z.object({ event: z.string() }))

/** What became of a 5612. Each `msg` is a sentence after a NIP-01 prefix. */
export type Payment =
  | { readonly type: 'settled'; readonly receipt: NostrEvent }
  /** Settled before: nothing was posted. `answer` is the receipt itself, kept where a packet brought the money. */
  | { readonly type: 'repeat'; readonly receipt: string; readonly answer?: NostrEvent }
  | { readonly type: 'refused'; readonly why: Refusal; readonly msg: string }

/** Settles the vouchers that come as events: `payments` below, answered by NIP-01. */
export function cashier(desk: Desk) {
  const pay = payments(desk)
  return async (event: NostrEvent, ctx: PolicyContext): Promise<Decision> =>
    decisionOn(await pay(event, ctx))
}

/** What the author of a 5612 hears in OK. */
export function decisionOn(payment: Payment): Decision {
  if (payment.type === 'refused') return reject(payment.msg)
  if (payment.type === 'settled') return { action: 'accept' }
  return { action: 'accept', msg: `duplicate: already settled, receipt ${payment.receipt}` }
}

/**
 * Settles vouchers, whatever way they came. One transaction holds the 5612, the ledger's entries (and the money that a
 * packet `carried`), the session's totals and the signed 5613; the checks and their order are those of
 * docs/events.md, 5612.
 */
export function payments(desk: Desk) {
  const { host } = desk
  return async (event: NostrEvent, ctx: PolicyContext, carried?: Carried): Promise<Payment> => {
    const said = parseStreamMoney(event)
    if (!said.ok) return refused('unreadable', `invalid: ${said.msg}`)
    const money = said.value
    if (money.payee !== host.self)
      return refused(
        'mismatch',
        `restricted: payments here go to the relay, name ${host.self} in p`,
      )
    const worthless = carried ? undefined : await checkProof(desk, money, ctx.signal)
    try {
      return await host.store.transaction(tx =>
        decide(tx, desk, { event, money, carried, worthless }),
      )
    } catch (error) {
      if (error instanceof Unsettled) return refused('deleted', error.message)
      throw error
    }
  }
}

/** Undoes a payment whose event the store does not take, with all that it posted. */
class Unsettled extends Error {
  constructor(outcome: PutOutcome) {
    const { msg } = { msg: 'duplicate: this payment is stored already', ...decisionOf(outcome) }
    super(msg)
  }
}

const refused = (why: Refusal, msg: string): Payment => ({ type: 'refused', why, msg })

interface Offered {
  readonly event: NostrEvent
  readonly money: StreamMoney
  readonly carried?: Carried
  /** Why its proof is worth nothing. */
  readonly worthless?: string
}

/** Looks at a proof before the transaction, because rails may ask the network; judged in its place of the order. */
async function checkProof(
  { rails }: Desk,
  { proof }: StreamMoney,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!proof) return undefined
  const rail = rails.find(candidate => candidate.id === proof.rail)
  if (!rail?.checkProof) return `rail "${proof.rail}" takes no proofs here`
  return rail.checkProof(proof.data, signal)
}

async function decide(tx: Tx, desk: Desk, offered: Offered): Promise<Payment> {
  const { event, money, carried } = offered
  const session = await sessions.get(tx, money.session)
  const stream = session && (await streams.get(tx, session.address))
  const nowMs = desk.host.clock.now()
  if (carried && nowMs > carried.commitBefore)
    return refused('late', 'error: this packet expires before its payment is safe')
  const clock = stream ? streamClock(stream, nowMs) : (session?.asOf ?? 0)
  const earlier = await vouchers.get(tx, voucherKey(money.session, money.sequence))
  const window = session ? windowOf(desk, session, clock) : 0n
  const judged = judge(session, money, earlier, window, carried)

  if (judged.type === 'repeat') {
    const { receipt, answer } = judged.voucher
    return { type: 'repeat', receipt, answer: answer ? JSON.parse(answer) : undefined }
  }
  if (judged.type === 'refused') {
    if (judged.why === 'equivocation' && earlier?.event !== event.id)
      await flag(tx, desk, event, money)
    if (judged.why === 'window' && session) {
      const rails = railsFor(desk, session.asset).map(rail => rail.offer)
      const told = await tellFlow(tx, desk, session, { maxReceive: window, rails })
      await sessions.put(tx, session.id, told)
    }
    return judged
  }
  if (!session || !stream) return refused('closed', 'restricted: this stream is not here any more')

  const { amount } = judged
  const short = await shortfall(tx, desk, session, offered, amount, nowMs)
  if (short !== undefined) return refused('funds', `restricted: ${short}`)
  const outcome = await tx.putEvent(event)
  if (outcome !== 'stored') throw new Unsettled(outcome)
  const receipt = await settle(tx, desk, { session, stream, money, carried, amount, nowMs })
  return { type: 'settled', receipt }
}

async function flag(tx: Tx, { host }: Desk, event: NostrEvent, money: StreamMoney): Promise<void> {
  const { session, sequence, viewer } = money
  await equivocations.put(tx, voucherKey(session, sequence), { event: JSON.stringify(event) })
  host.log.warn({ session, viewer, sequence: String(sequence) }, 'one sequence, two promises')
}

/** Why the money is not there, told to the viewer in a 5614 as well; undefined when it is. */
async function shortfall(
  tx: Tx,
  desk: Desk,
  session: Session,
  { money: { proof }, carried, worthless }: Offered,
  amount: bigint,
  nowMs: number,
): Promise<string | undefined> {
  if (worthless !== undefined) return worthless
  const rails = railsFor(desk, session.asset)
  const wanted = carried?.rail ?? proof?.rail
  const rail = wanted ? rails.find(candidate => candidate.id === wanted) : rails[0]
  if (!rail) return `rail "${wanted ?? ''}" does not pay ${session.asset} here`
  const { id, viewer } = session
  const claim = { session: id, viewer, amount, proof: proof?.data, carried }
  const funding = await rail.fund(tx, claim, nowMs)
  if (funding.ok) return undefined
  const { maxReceive } = session
  const says = { maxReceive, blocked: funding.msg, rails: funding.topUp }
  await sessions.put(tx, session.id, await tellFlow(tx, desk, session, says))
  return funding.msg
}

interface Settlement {
  readonly session: Session
  readonly stream: LiveStream
  readonly money: StreamMoney
  readonly carried?: Carried
  readonly amount: bigint
  readonly nowMs: number
}

/** Gives the receipt. */
async function settle(tx: Tx, desk: Desk, settlement: Settlement): Promise<NostrEvent> {
  const { stream, money, carried, amount, nowMs } = settlement
  // 1. What ran until now is billed at the old total: a payment buys time from here on (and what grace owes).
  const before = accrued(settlement.session, streamClock(stream, nowMs))
  const sequence = greater(before.sequence ?? 0n, money.sequence)
  const paid = { ...before, received: before.received + amount, sequence, paidAt: nowMs }
  // 2. The money, and the revenue that has become due, in one posting.
  const recognised = earned(paid)
  const entries = [
    { account: `viewer:${paid.viewer}`, amount: -amount },
    { account: `escrow:${paid.id}`, amount },
    ...recognise(paid, recognised),
  ]
  const id = `money:${paid.id}:${money.sequence}`
  if (entries.some(entry => entry.amount !== 0n))
    await postRevenue(tx, paid, {
      id,
      asset: paid.asset,
      at: nowMs,
      memo: 'stream payment',
      entries,
    })
  // 3. The receipt; of both events only the latest is kept, for totals are cumulative.
  const receipt = desk.host.sign(receiptFor(paid, stream, money, amount, nowMs))
  if (paid.money) await tx.removeEvent(paid.money)
  if (paid.receipt) await tx.removeEvent(paid.receipt)
  await tx.putEvent(receipt)
  const settled = { ...paid, recognised, money: money.id, receipt: receipt.id }
  const voucher = {
    digest: carried?.digest ?? digestOf(money),
    event: money.id,
    receipt: receipt.id,
    answer: carried && JSON.stringify(receipt),
  }
  await noteVoucher(tx, settled, money.sequence, voucher)
  // 4. A window half used up is opened anew, before the viewer runs into its end.
  await sessions.put(tx, paid.id, await openWindow(tx, desk, settled, stream, nowMs))
  return receipt
}

function receiptFor(
  session: Session,
  stream: LiveStream,
  money: StreamMoney,
  amount: bigint,
  nowMs: number,
) {
  return streamReceiptTemplate(
    {
      money: money.id,
      session: session.id,
      streamId: session.streamId,
      viewer: session.viewer,
      address: session.address,
      sequence: money.sequence,
      received: amount,
      totalReceived: session.received,
      paidUntil: unixSeconds(watchesUntil(session, stream, nowMs)),
    },
    unixSeconds(nowMs),
  )
}

/** A tip buys no time. */
const watchesUntil = (session: Session, stream: LiveStream, nowMs: number): number =>
  session.purpose === 'tip' ? nowMs : (paidUntil(session, stream, nowMs) ?? nowMs)

async function openWindow(
  tx: Tx,
  desk: Desk,
  session: Session,
  stream: LiveStream,
  nowMs: number,
): Promise<Session> {
  const full = costOf(session.epochs, desk.options.prepaySeconds * 1000)
  if ((session.maxReceive - session.received) * 2n > full) return session
  const maxReceive = windowOf(desk, session, streamClock(stream, nowMs))
  if (maxReceive <= session.maxReceive) return session
  const rails = railsFor(desk, session.asset).map(rail => rail.offer)
  return tellFlow(tx, desk, session, { maxReceive, rails })
}
