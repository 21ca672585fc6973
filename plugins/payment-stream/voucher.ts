import { hash } from 'node:crypto'
import { z } from 'zod'
import type { StreamMoney } from '../../events/index.ts'
import { collection } from '../collection.ts'
import type { Tx } from '../plugin.ts'
import { lesser } from './meter.ts'
import type { Session } from './session.ts'

/** How far below the highest settled sequence a new one may lie. */
export const SEQUENCE_WINDOW = 1024n

/** Settled vouchers of open sessions: `<session> <sequence>` -> what was settled. */
export const vouchers = collection(
  'voucher',
  z.object({
    digest: z.string(),
    /** Ids of the 5612 and its 5613. */
    event: z.string(),
    receipt: z.string(),
    /** The 5613 as JSON, where a packet brought the money and may come again: of receipts only the latest is stored. */
    answer: z.string().optional(),
  }),
)
export type Voucher = { digest: string; event: string; receipt: string; answer?: string }

/** Money that came together with a 5612, in a packet. */
export interface Carried {
  /** The rail on which it came. */
  readonly rail: string
  /** Its identity (the condition): credited once, ever. */
  readonly id: string
  /** The ledger's account it comes from, for example `rail:ilp:hub`. */
  readonly from: string
  readonly amount: bigint
  /** What makes a repeat of this packet the same: a hash over its amount, condition and data. */
  readonly digest: string
  /** After this (unix ms) the payer's side may not pay any more: then nothing is settled. */
  readonly commitBefore: number
}

export const voucherKey = (session: string, sequence: bigint): string =>
  `${session} ${String(sequence).padStart(19, '0')}`

/** What a voucher promises: two with one sequence and different digests are an equivocation. */
export const digestOf = (money: StreamMoney): string =>
  hash(
    'sha256',
    JSON.stringify([
      String(money.totalSent),
      money.chunkRef ?? null,
      money.proof?.rail ?? null,
      money.proof?.data ?? null,
    ]),
  )

/** Why a 5612 was not taken; what travels other ways than NIP-01 has its own words for each (ILP codes). */
export type Refusal =
  | 'unreadable'
  | 'unknown'
  | 'closed'
  | 'payer'
  | 'mismatch'
  /** Promised twice, differently. */
  | 'equivocation'
  | 'old'
  | 'falls'
  | 'minReceive'
  /** More than the payee takes now: a 5614 gives the window. */
  | 'window'
  | 'maxTotal'
  | 'funds'
  | 'deleted'
  | 'late'

export type Judgement =
  | { readonly type: 'refused'; readonly why: Refusal; readonly msg: string }
  /** Settled before: nothing is posted, the stored receipt answers. */
  | { readonly type: 'repeat'; readonly voucher: Voucher }
  /** New money: what this voucher adds to the total. */
  | { readonly type: 'new'; readonly amount: bigint }

/**
 * The checks on a voucher in the order of docs/events.md, 5612, up to where money is needed. `earlier` is what was
 * settled under its sequence, `window` what the payee takes now, `carried` the money that came with it.
 *
 * @example
 * judge(session, money, await vouchers.get(tx, voucherKey(session.id, money.sequence)), window)
 */
export function judge(
  session: Session | undefined,
  money: StreamMoney,
  earlier: Voucher | undefined,
  window: bigint,
  carried?: Carried,
): Judgement {
  if (!session) return refused('unknown', 'invalid: this payment names no session of this relay')
  if (session.status !== 'open') return refused('closed', 'restricted: this session is closed')
  if (money.viewer !== session.viewer)
    return refused('payer', 'restricted: only the viewer who opened this session pays into it')
  if (money.streamId !== session.streamId)
    return refused('mismatch', 'invalid: stream_id is not the one of this session')
  if (money.address !== undefined && money.address !== session.address)
    return refused('mismatch', 'invalid: a is not the stream of this session')

  const { sequence, totalSent } = money
  if (earlier && isRepeat(money, earlier, carried)) return { type: 'repeat', voucher: earlier }
  if (earlier)
    return refused(
      'equivocation',
      `invalid: sequence ${sequence} was settled with another promise, use a higher one`,
    )
  const highest = session.sequence ?? 0n
  if (sequence + SEQUENCE_WINDOW < highest)
    return refused('old', `invalid: sequence ${sequence} is too old, ${highest} is settled`)
  if (totalSent < session.received)
    return refused('falls', `invalid: total_sent falls from ${session.received} to ${totalSent}`)
  const claim = totalSent - session.received
  const short = belowLeast(money, claim, carried)
  if (short !== undefined) return refused('minReceive', `invalid: ${short}`)
  if (totalSent > window)
    return refused(
      'window',
      `restricted: the payee takes up to ${window} in all for now, this makes ${totalSent}`,
    )
  if (session.maxTotal !== undefined && totalSent > session.maxTotal)
    return refused(
      'maxTotal',
      `restricted: this makes ${totalSent}, your max_total is ${session.maxTotal}`,
    )
  // A hop may have taken its share, down to min_receive: what arrived counts, never more than was promised.
  return { type: 'new', amount: carried ? lesser(claim, carried.amount) : claim }
}

const isRepeat = (money: StreamMoney, earlier: Voucher, carried: Carried | undefined): boolean =>
  carried
    ? earlier.digest === carried.digest
    : earlier.digest === digestOf(money) || earlier.event === money.id

/**
 * Why less comes than the viewer signed for. A promise that others have overtaken adds less than its min_receive, and is
 * refused before its packet pays for the same time again.
 */
function belowLeast(money: StreamMoney, claim: bigint, carried?: Carried): string | undefined {
  const { minReceive } = money
  if (carried && minReceive === undefined && claim < carried.amount)
    return `this payment promises ${claim} more, its packet brings ${carried.amount}`
  if (minReceive === undefined) return undefined
  if (claim < minReceive) return `this payment brings ${claim}, its min_receive is ${minReceive}`
  if (carried && carried.amount < minReceive)
    return `${carried.amount} arrived, min_receive is ${minReceive}`
  return undefined
}

const refused = (why: Refusal, msg: string): Judgement => ({ type: 'refused', why, msg })

/** Notes a settled voucher and drops those that are too old to be asked for. */
export async function noteVoucher(tx: Tx, session: Session, sequence: bigint, voucher: Voucher) {
  await vouchers.put(tx, voucherKey(session.id, sequence), voucher)
  const oldest = (session.sequence ?? 0n) - SEQUENCE_WINDOW
  if (oldest <= 0n) return
  const before = voucherKey(session.id, oldest)
  // Two at a time for each one that is added: the window empties faster than it fills.
  for (const { key } of await vouchers.list(tx, { prefix: `${session.id} `, limit: 2 }))
    if (key < before) await vouchers.delete(tx, key)
}
