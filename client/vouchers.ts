import type { Rate, StreamReceipt, TimeUnit } from '../events/index.ts'
import { nextTotal, type PaySchedule } from './schedule.ts'

/** What the next 5612 says. */
export interface Voucher {
  readonly sequence: bigint
  readonly totalSent: bigint
  /** It goes above what the payee takes for now: a refusal is expected, and a new limit with it (5614). */
  readonly asksForMore: boolean
}

/** `pay`: this voucher is due. `later`: enough is paid, or an answer is awaited. `spent`: the budget is used up. */
export type Next = { do: 'pay'; voucher: Voucher } | { do: 'later' } | { do: 'spent' }

/** A receipt that does not come although the payment was taken holds the next payment back for so long. */
const RECEIPT_WAIT_MS = 10_000
/** The smallest part of the buffer that is still offered when the balance is too low for all of it. */
const LEAST_REACH = 1 / 8

/**
 * The account of a session's 5612: sequences grow, totals never fall, and at most one voucher is under way. Times
 * are monotonic ms (`performance.now()`), so that a wrong clock costs nobody anything.
 *
 * Example: `const book = vouchers({ amount: 10n, unit: 'second' }); book.next(schedule, performance.now())`.
 */
export function vouchers(rate: Rate<TimeUnit>) {
  let totalSent = 0n
  let lastSequence = 0n
  /** Sequences that the payee has taken, and that it has given a receipt for. */
  let taken = 0n
  let receipted = 0n
  let takenAt = 0
  let maxReceive: bigint | undefined
  /** How much of the buffer is paid ahead: less and less when the balance runs out, so that all of it is used. */
  let reach = 1
  /** The last voucher asked for more, and was refused. */
  let asked = false
  /** Time that is paid ahead, as the newest receipt gave it, and when that was. */
  let lead = { ms: 0, at: 0 }

  const leadMs = (now: number): number => Math.max(0, lead.ms - (now - lead.at))

  return {
    totalSent: () => totalSent,

    /** What to do now. */
    next(schedule: PaySchedule, now: number): Next {
      if (receipted < taken && now - takenAt < RECEIPT_WAIT_MS) return { do: 'later' }
      const wanted = nextTotal(
        rate,
        { ...schedule, bufferSeconds: schedule.bufferSeconds * reach },
        totalSent,
        leadMs(now),
      )
      const limit = maxReceive ?? wanted
      const asksForMore = limit <= totalSent && wanted > limit
      const total = wanted > limit && !asksForMore ? limit : wanted
      if (total > totalSent) {
        // A sequence is used once, also when it was refused: what it stood for is never said twice.
        lastSequence += 1n
        return { do: 'pay', voucher: { sequence: lastSequence, totalSent: total, asksForMore } }
      }
      const spent = totalSent >= schedule.budget && leadMs(now) === 0
      return { do: spent ? 'spent' : 'later' }
    },

    /** The payee has taken this voucher. */
    accepted(voucher: Voucher, now: number): void {
      taken = voucher.sequence
      asked = false
      takenAt = now
      totalSent = voucher.totalSent
    },

    /** The payee refused a voucher. True when another one is worth a try: under the new limit, or a smaller one. */
    refused(voucher: Voucher): boolean {
      const first = !asked
      asked = voucher.asksForMore
      if (asked && first) return true
      reach /= 2
      return reach >= LEAST_REACH
    },

    /** The person pays anew: the whole buffer is tried again. */
    begin(): void {
      reach = 1
    },

    /** A receipt, with the paid-ahead time (ms) that it shows. False for one that is older than what is known. */
    receipt({ sequence, totalReceived }: StreamReceipt, paidAheadMs: number, now: number): boolean {
      if (sequence < receipted) return false
      receipted = sequence
      if (sequence > lastSequence) lastSequence = sequence
      if (totalReceived > totalSent) totalSent = totalReceived
      lead = { ms: Math.max(0, paidAheadMs), at: now }
      return true
    },

    /** The payee takes this much in all, for now (5614). */
    limit(amount: bigint): void {
      maxReceive = amount
    },

    /** The limit that a session began with (5611); a later one may have come first. */
    firstLimit(amount: bigint): void {
      maxReceive ??= amount
    },
  }
}
