import { type Parsed, parsed, unparsed } from './event.ts'

/** Amounts on the wire: integers in the asset's smallest unit, at most 2^63-1 (docs/events.md). */
const AMOUNT = /^(0|[1-9][0-9]{0,18})$/
export const MAX_AMOUNT = 2n ** 63n - 1n

/** Reads an amount; undefined for anything but a canonical integer from 0 to 2^63-1. */
export function parseAmount(text: string | undefined): bigint | undefined {
  if (text === undefined || !AMOUNT.test(text)) return undefined
  const amount = BigInt(text)
  return amount <= MAX_AMOUNT ? amount : undefined
}

export const timeUnits = ['second', 'minute', 'hour'] as const
export type TimeUnit = (typeof timeUnits)[number]
export type RateUnit = TimeUnit | 'chunk'

/** Money for time (or for a chunk): `{ amount: 1000n, unit: 'hour' }` is 1000 of the smallest unit an hour. */
export interface Rate<U extends RateUnit = RateUnit> {
  readonly amount: bigint
  readonly unit: U
}

/** What a stream costs: a rate by time, in an asset. */
export interface Price extends Rate<TimeUnit> {
  readonly asset: string
}

export const unitMs: Readonly<Record<TimeUnit, bigint>> = {
  second: 1_000n,
  minute: 60_000n,
  hour: 3_600_000n,
}

const isTimeUnit = (text: string | undefined): text is TimeUnit =>
  (timeUnits as readonly (string | undefined)[]).includes(text)

const ASSET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/

/** Reads `["price", amount, unit, asset]`. An amount of 0 means free. */
export function parsePrice(tag: readonly string[]): Parsed<Price> {
  const [, amountText, unit, asset] = tag
  const amount = parseAmount(amountText)
  if (amount === undefined)
    return unparsed(`price amount "${amountText ?? ''}" is not an integer from 0 to ${MAX_AMOUNT}`)
  if (!isTimeUnit(unit))
    return unparsed(`price unit "${unit ?? ''}" is none of second, minute, hour`)
  if (asset === undefined || !ASSET.test(asset))
    return unparsed('price names no asset, for example ["price","10","second","CREDIT"]')
  return parsed({ amount, unit, asset })
}

/** Reads `["rate", amount, second|minute|hour|chunk]`. */
export function parseRate(tag: readonly string[]): Parsed<Rate> {
  const amount = parseAmount(tag[1])
  if (amount === undefined)
    return unparsed(`rate amount "${tag[1] ?? ''}" is not an integer from 0 to ${MAX_AMOUNT}`)
  const unit = tag[2]
  if (!isTimeUnit(unit) && unit !== 'chunk')
    return unparsed(`rate unit "${unit ?? ''}" is none of second, minute, hour, chunk`)
  return parsed({ amount, unit })
}

/** True when `offer` pays less per time than `price`; cross-multiplied, never divided. */
export function isBelow(offer: Rate<TimeUnit>, price: Rate<TimeUnit>): boolean {
  return offer.amount * unitMs[price.unit] < price.amount * unitMs[offer.unit]
}

/** `1000 CREDIT per second`. */
export const describePrice = (price: Price): string =>
  `${price.amount} ${price.asset} per ${price.unit}`

/**
 * What `activeMs` milliseconds cost at a rate, floored once on the cumulative value.
 * Example: `due({ amount: 10n, unit: 'second' }, 1_500n) // 15n`.
 */
export const due = (rate: Rate<TimeUnit>, activeMs: bigint): bigint =>
  (rate.amount * activeMs) / unitMs[rate.unit]

/**
 * The longest active time, in ms, whose due is at most `total`: max{t : due(t) <= total}.
 * Undefined when the rate is free (no payment bounds the time).
 */
export function paidMs(rate: Rate<TimeUnit>, total: bigint): bigint | undefined {
  if (rate.amount === 0n) return undefined
  return ((total + 1n) * unitMs[rate.unit] - 1n) / rate.amount
}
