import { due, MAX_AMOUNT, type Rate, type TimeUnit, unitMs } from '../events/index.ts'

/** How a viewer pays: often and little, so that little is lost when anything stops. */
export interface PaySchedule {
  /** Seconds that are paid for ahead of now. */
  readonly bufferSeconds: number
  /** Seconds between two payments. */
  readonly everySeconds: number
  /** Never promise more than this in the whole session. */
  readonly budget: bigint
}

export const defaultSchedule: PaySchedule = {
  bufferSeconds: 12,
  everySeconds: 4,
  budget: MAX_AMOUNT,
}

/**
 * The next cumulative total: what brings the time that is paid ahead (`leadMs`) up to the buffer, but not above
 * the budget. Equal to `total` when nothing is to be paid now. Rounded up, so that the buffer is really there.
 *
 * Example: 10 a second, 12 s of buffer, 2 s of lead: `nextTotal(rate, schedule, 20n, 2_000) // 120n`.
 */
export function nextTotal(
  rate: Rate<TimeUnit>,
  schedule: PaySchedule,
  total: bigint,
  leadMs: number,
): bigint {
  const missingMs = BigInt(Math.ceil(schedule.bufferSeconds * 1000 - leadMs))
  if (missingMs <= 0n) return total
  const wanted = total + (rate.amount * missingMs + unitMs[rate.unit] - 1n) / unitMs[rate.unit]
  return wanted < schedule.budget ? wanted : bigMax(total, schedule.budget)
}

/** What watching for an hour costs. */
export const perHour = (rate: Rate<TimeUnit>): bigint => due(rate, unitMs.hour)

const bigMax = (a: bigint, b: bigint): bigint => (a > b ? a : b)
