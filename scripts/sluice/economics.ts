import { parseArgs } from 'node:util'
import { type TimeUnit, timeUnits } from '../../events/index.ts'
import { formatDecimal, parseDecimal } from '../economics/decimal.ts'
import { economics, type Fraction, type Result, roles, type Scenario } from '../economics/model.ts'
import { csv, type Rows, table } from './table.ts'

/** Amounts are counted in millionths: small enough for a second of bandwidth to one viewer. */
const SCALE = 6

const options = {
  viewers: { type: 'string', default: '100' },
  price: { type: 'string', default: '0.10/minute' },
  minutes: { type: 'string', default: '60' },
  'bitrate-kbps': { type: 'string', default: '3000' },
  'transcoding-per-minute': { type: 'string', default: '0' },
  'bandwidth-per-gb': { type: 'string', default: '0' },
  /** `relay=1.50`: what a role pays besides, for the show. */
  fixed: { type: 'string', multiple: true, default: [] as string[] },
  split: { type: 'string', default: '9000,500,300,200' },
  csv: { type: 'boolean', default: false },
} as const

/**
 * Turns a scenario into revenue, cost and profit of each role and the break-even audience, as a table or CSV. Throws one
 * sentence for a figure that cannot be read.
 *
 * @example
 * runEconomics(['--viewers', '100', '--price', '0.10/minute', '--minutes', '1'])
 */
export async function runEconomics(args: string[]): Promise<string> {
  const { values } = parseArgs({ args, options })
  const scenario = readScenario(values)
  const rows = rowsOf(economics(scenario))
  return values.csv ? csv(rows) : table(rows)
}

type Values = {
  readonly [name in Exclude<keyof typeof options, 'csv' | 'fixed'>]: string
} & { readonly fixed: readonly string[] }

function readScenario(values: Values): Scenario {
  const [amount = '', unit = ''] = values.price.split('/')
  if (!(timeUnits as readonly string[]).includes(unit))
    throw new Error(`--price needs an amount and second, minute or hour, as in 0.10/minute`)
  const price = decimal(amount, '--price')
  if (price.over % price.under !== 0n)
    throw new Error(`--price has at most ${SCALE} digits behind the point`)
  const minutes = decimal(values.minutes, '--minutes', 0)
  const fixed = Object.fromEntries(roles.map(role => [role, decimal('0', '--fixed')]))
  for (const one of values.fixed) {
    const [role = '', cost = ''] = one.split('=')
    if (!(roles as readonly string[]).includes(role))
      throw new Error(`--fixed needs one of ${roles.join(', ')} and an amount, as in relay=1.50`)
    fixed[role] = decimal(cost, '--fixed')
  }
  return {
    viewers: Number(count(values.viewers, '--viewers')),
    price: { amount: price.over / price.under, unit: unit as TimeUnit },
    durationMs: (minutes.over * 60_000n) / minutes.under,
    bitrateKbps: count(values['bitrate-kbps'], '--bitrate-kbps'),
    transcodingPerMinute: decimal(values['transcoding-per-minute'], '--transcoding-per-minute'),
    bandwidthPerGb: decimal(values['bandwidth-per-gb'], '--bandwidth-per-gb'),
    fixed: fixed as Scenario['fixed'],
    split: readSplit(values.split),
  }
}

function readSplit(text: string): Scenario['split'] {
  const parts = text.split(',').map(part => Number(/^\d{1,5}$/.test(part) ? part : Number.NaN))
  const sum = parts.reduce((a, b) => a + b, 0)
  if (parts.length !== roles.length || sum !== 10_000)
    throw new Error(
      `--split needs basis points for ${roles.join(', ')} that sum to 10000, as in ${options.split.default}`,
    )
  return Object.fromEntries(roles.map((role, i) => [role, parts[i]])) as Scenario['split']
}

function decimal(text: string, option: string, scale = SCALE): Fraction {
  const value = parseDecimal(text, scale)
  if (!value) throw new Error(`${option} needs a number such as 0.10, not "${text}"`)
  return value
}

function count(text: string, option: string): bigint {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${option} needs a whole number, not "${text}"`)
  return BigInt(text)
}

function rowsOf({ lines, total }: Result): Rows {
  const amount = (value: bigint) => formatDecimal(value, SCALE)
  return [
    ['role', 'revenue', 'cost', 'profit', 'break-even viewers'],
    ...[...lines, { role: 'total', ...total }].map(({ role, revenue, cost, profit, breakEven }) => [
      role,
      amount(revenue),
      amount(cost),
      amount(profit),
      breakEven === undefined ? 'never' : String(breakEven),
    ]),
  ]
}
