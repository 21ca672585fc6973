import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { openStore } from './bench.ts'
import { play, type Schedule, schedule } from './schedule.ts'

/**
 * Generated schedules with duplicates, reordering, replays, equivocation, deaths at any verb of a transaction, clock
 * jumps, crashes and price changes, against the real store. SCHEDULES sets their number (CI: 10 000), SEED repeats a run.
 */
const runs = Number(process.env.SCHEDULES ?? (process.env.CI ? 10_000 : 2_000))
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** Schedules at a time: their transactions share commits. */
const ABREAST = 200

const test = suite<ReturnType<typeof openStore>>('payment invariants')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(context => context.close())

test(`${runs} schedules, SEED=${seed}: no double credit, no lost receipt, nothing served unpaid`, async ({
  store,
}) => {
  const all = fc.sample(schedule, { seed, numRuns: runs })
  let number = 0
  const failing = async (one: Schedule): Promise<unknown> =>
    play(store, number++, one).then(
      () => undefined,
      error => error ?? new Error('failed'),
    )
  for (let i = 0; i < all.length; i += ABREAST) {
    const group = all.slice(i, i + ABREAST)
    const errors = await Promise.all(group.map(failing))
    const at = errors.findIndex(error => error !== undefined)
    const culprit = group[at]
    if (culprit) throw await report(culprit, errors[at], failing)
  }
  assert.equal(await verifyLedger(store), [])
})

/** The smallest part of a failing schedule that still fails, with its seed. */
async function report(
  culprit: Schedule,
  error: unknown,
  failing: (one: Schedule) => Promise<unknown>,
): Promise<Error> {
  let smallest = culprit
  let cause = error
  for (let i = smallest.steps.length - 1; i >= 0; i--) {
    const shorter = { ...smallest, steps: smallest.steps.filter((_, at) => at !== i) }
    const still = await failing(shorter)
    if (still === undefined) continue
    smallest = shorter
    cause = still
  }
  const text = JSON.stringify(smallest, (_, value) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
  return new Error(`SEED=${seed} fails with ${text}: ${cause}`, { cause })
}

test.run()
