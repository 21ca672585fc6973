import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { StreamMoney } from '../../events/index.ts'
import { collection } from '../collection.ts'
import type { Tx } from '../plugin.ts'
import type { Session } from './session.ts'

/** How far below the highest settled sequence a new one may lie. */
export const SEQUENCE_WINDOW = 1024n

/** Settled vouchers of open sessions: `<session> <sequence>` -> what was settled. */
export const vouchers = collection(
  'voucher',
  z.object({ digest: z.string(), event: z.string(), receipt: z.string() }),
)
export type Voucher = { digest: string; event: string; receipt: string }

export const voucherKey = (session: string, sequence: bigint): string =>
  `${session} ${String(sequence).padStart(19, '0')}`

/** What a voucher promises: two with one sequence and different digests are an equivocation. */
export const digestOf = (money: StreamMoney): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        String(money.totalSent),
        money.chunkRef ?? null,
        money.proof?.rail ?? null,
        money.proof?.data ?? null,
      ]),
    )
    .digest('hex')

export type Judgement =
  | { readonly type: 'refused'; readonly msg: string }
  /** Promised twice, differently. */
  | { readonly type: 'equivocation'; readonly msg: string }
  /** Settled before: nothing is posted, the stored receipt answers. */
  | { readonly type: 'repeat'; readonly receipt: string }
  /** More than the payee takes now: a 5614 gives the window. */
  | { readonly type: 'window'; readonly msg: string }
  /** New money: what this voucher adds to the total. */
  | { readonly type: 'new'; readonly amount: bigint }

/**
 * The checks on a voucher in the order of docs/events.md, 5612, up to where money is needed. `earlier` is what was
 * settled under its sequence, `window` what the payee takes now.
 *
 * @example
 * judge(session, money, await vouchers.get(tx, voucherKey(session.id, money.sequence)), window)
 */
export function judge(
  session: Session | undefined,
  money: StreamMoney,
  earlier: Voucher | undefined,
  window: bigint,
): Judgement {
  if (!session) return refused('invalid: this payment names no session of this relay')
  if (session.status !== 'open') return refused('restricted: this session is closed')
  if (money.viewer !== session.viewer)
    return refused('restricted: only the viewer who opened this session pays into it')
  if (money.streamId !== session.streamId)
    return refused('invalid: stream_id is not the one of this session')
  if (money.address !== undefined && money.address !== session.address)
    return refused('invalid: a is not the stream of this session')

  const { sequence, totalSent } = money
  if (earlier?.digest === digestOf(money)) return { type: 'repeat', receipt: earlier.receipt }
  if (earlier) {
    const msg = `invalid: sequence ${sequence} was settled with another promise, use a higher one`
    return { type: 'equivocation', msg }
  }
  const highest = session.sequence ?? 0n
  if (sequence + SEQUENCE_WINDOW < highest)
    return refused(`invalid: sequence ${sequence} is too old, ${highest} is settled`)
  if (totalSent < session.received)
    return refused(`invalid: total_sent falls from ${session.received} to ${totalSent}`)
  const amount = totalSent - session.received
  if (money.minReceive !== undefined && amount < money.minReceive)
    return refused(`invalid: this payment brings ${amount}, its min_receive is ${money.minReceive}`)
  if (totalSent > window) {
    const msg = `restricted: the payee takes up to ${window} in all for now, this makes ${totalSent}`
    return { type: 'window', msg }
  }
  if (session.maxTotal !== undefined && totalSent > session.maxTotal)
    return refused(`restricted: this makes ${totalSent}, your max_total is ${session.maxTotal}`)
  return { type: 'new', amount }
}

const refused = (msg: string): Judgement => ({ type: 'refused', msg })

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
