import { type Rate, type TimeUnit, unitMs } from '../../events/index.ts'

/** A time during which one price held. The last epoch of a session is the one that runs. */
export interface Epoch {
  readonly rate: Rate<TimeUnit>
  /** Billed time at this price, ms. */
  readonly activeMs: number
}

/** Every unit divides an hour, so sums over epochs are exact in (amount x ms) per hour. */
const HOUR = unitMs.hour
const weight = (rate: Rate<TimeUnit>): bigint => rate.amount * (HOUR / unitMs[rate.unit])

/** Longer than anybody is paid for; keeps remaining times within what a number holds. */
export const FOREVER_MS = 100 * 365 * 86_400_000

const cost = (epochs: readonly Epoch[]): bigint =>
  epochs.reduce((sum, { rate, activeMs }) => sum + weight(rate) * BigInt(activeMs), 0n)

/**
 * What the epochs cost together, floored once on the cumulative value (a biller that rounds each tick charges
 * nothing at low rates). Example: one epoch of 1500 ms at 10 a second is 15n.
 */
export const dueOf = (epochs: readonly Epoch[]): bigint => cost(epochs) / HOUR

/**
 * How much longer `total` pays for at the running price, ms: the largest t with due(now + t) <= total, at most
 * FOREVER_MS. Negative when more is due than was paid.
 */
export function remainingMs(epochs: readonly Epoch[], total: bigint): number {
  const perMs = weight(running(epochs).rate)
  const left = (total + 1n) * HOUR - 1n - cost(epochs)
  if (perMs === 0n) return left >= 0n ? FOREVER_MS : -FOREVER_MS
  const ms = left >= 0n ? left / perMs : -((perMs - 1n - left) / perMs)
  return clamp(ms)
}

/** The epochs after `ms` more at the running price. */
export const ran = (epochs: readonly Epoch[], ms: number): Epoch[] => {
  const last = running(epochs)
  return [...epochs.slice(0, -1), { ...last, activeMs: last.activeMs + ms }]
}

/** The epoch that runs. */
export function running(epochs: readonly Epoch[]): Epoch {
  const last = epochs.at(-1)
  if (!last) throw new Error('a session has no price epoch')
  return last
}

/** What `ms` more would cost at the running price, rounded up. */
export const costOf = (epochs: readonly Epoch[], ms: number): bigint =>
  (weight(running(epochs).rate) * BigInt(ms) + HOUR - 1n) / HOUR

function clamp(ms: bigint): number {
  const most = BigInt(FOREVER_MS)
  return Number(ms > most ? most : ms < -most ? -most : ms)
}

/** Of two amounts (Math.min and Math.max take no bigint). */
export const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
