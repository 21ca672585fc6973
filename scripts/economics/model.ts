import { due, type Rate, type TimeUnit } from '../../events/index.ts'
import { finalSplit } from '../../plugins/payment-stream/split.ts'

export const roles = ['creator', 'relay', 'transcoder', 'protocol'] as const
export type Role = (typeof roles)[number]

/** An exact number: bandwidth for a second is no whole amount of money. */
export interface Fraction {
  readonly over: bigint
  readonly under: bigint
}

/** A show, in amounts of the asset's smallest unit. */
export interface Scenario {
  readonly viewers: number
  readonly price: Rate<TimeUnit>
  /** How long each viewer watches, and the stream is transcoded, ms. */
  readonly durationMs: bigint
  readonly bitrateKbps: bigint
  /** What a minute of transcoding costs, whoever watches; borne by the transcoder. */
  readonly transcodingPerMinute: Fraction
  /** What a gigabyte (10^9 bytes) to a viewer costs; borne by the relay. */
  readonly bandwidthPerGb: Fraction
  /** What each role pays besides, for the whole show. */
  readonly fixed: Readonly<Record<Role, Fraction>>
  /** Basis points, in the order of `roles`. */
  readonly split: Readonly<Record<Role, number>>
}

export interface Line {
  readonly role: Role
  readonly revenue: bigint
  /** Rounded up, once, to the smallest unit. */
  readonly cost: bigint
  readonly profit: bigint
  /** The smallest audience at which this role loses nothing; undefined where no audience is large enough. */
  readonly breakEven: bigint | undefined
}

export interface Result {
  /** What one viewer pays: floored once, as the meter does. */
  readonly perViewer: bigint
  readonly lines: readonly Line[]
  readonly total: Omit<Line, 'role'>
}

/**
 * Revenue, cost and profit of each role, and its break-even audience. Revenue is what the ledger would book: each viewer's
 * session is floored and split by itself.
 *
 * @example
 * economics({ viewers: 100, price: { amount: 100_000n, unit: 'minute' }, durationMs: 60_000n, ... }).lines[0] // creator
 */
export function economics(scenario: Scenario): Result {
  const { viewers, price, durationMs, split } = scenario
  const perViewer = due(price, durationMs)
  const shares = roles.map(role => ({ account: role, bp: split[role] }))
  const parts = finalSplit(shares, perViewer)
  const lines = roles.map((role, i): Line => {
    const part = parts[i] ?? 0n
    return { role, ...account(part, costOf(scenario, role), BigInt(viewers)) }
  })
  const costs = roles.map(role => costOf(scenario, role))
  const all = {
    fixed: sum(costs.map(cost => cost.fixed)),
    perViewer: sum(costs.map(cost => cost.perViewer)),
  }
  return { perViewer, lines, total: account(perViewer, all, BigInt(viewers)) }
}

interface Cost {
  readonly fixed: Fraction
  readonly perViewer: Fraction
}

function costOf(scenario: Scenario, role: Role): Cost {
  const { durationMs, bitrateKbps, transcodingPerMinute, bandwidthPerGb, fixed } = scenario
  const minutes = { over: durationMs, under: 60_000n }
  // kbit/s x ms is bits; 8 x 10^9 of them are a gigabyte.
  const gigabytes = { over: bitrateKbps * durationMs, under: 8_000_000_000n }
  return {
    fixed:
      role === 'transcoder' ? add(fixed[role], times(transcodingPerMinute, minutes)) : fixed[role],
    perViewer: role === 'relay' ? times(bandwidthPerGb, gigabytes) : nothing,
  }
}

function account(part: bigint, { fixed, perViewer }: Cost, viewers: bigint): Omit<Line, 'role'> {
  const revenue = part * viewers
  const cost = ceil(add(fixed, times(perViewer, { over: viewers, under: 1n })))
  return { revenue, cost, profit: revenue - cost, breakEven: breakEven(part, fixed, perViewer) }
}

/** The smallest n with part x n >= fixed + perViewer x n. */
function breakEven(part: bigint, fixed: Fraction, perViewer: Fraction): bigint | undefined {
  if (fixed.over === 0n) return part * perViewer.under >= perViewer.over ? 0n : undefined
  const margin = add({ over: part, under: 1n }, { over: -perViewer.over, under: perViewer.under })
  if (margin.over <= 0n) return undefined
  return ceil({ over: fixed.over * margin.under, under: fixed.under * margin.over })
}

export const nothing: Fraction = { over: 0n, under: 1n }

const add = (a: Fraction, b: Fraction): Fraction => ({
  over: a.over * b.under + b.over * a.under,
  under: a.under * b.under,
})
const times = (a: Fraction, b: Fraction): Fraction => ({
  over: a.over * b.over,
  under: a.under * b.under,
})
const sum = (all: readonly Fraction[]): Fraction => all.reduce(add, nothing)
/** For what is not negative. */
const ceil = ({ over, under }: Fraction): bigint => (over + under - 1n) / under
