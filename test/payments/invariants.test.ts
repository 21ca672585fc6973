import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { audit } from '../../plugins/payment-stream/audit.ts'
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

/** Schedules that share a store and a seed: a night's worth fits in memory and on disk a batch at a time. */
const BATCH = 10_000
const batches = Math.ceil(runs / BATCH)

const test = suite('payment invariants')

test(`${runs} schedules, SEED=${seed}: no double credit, no lost receipt, nothing served unpaid`, async () => {
  for (let i = 0; i < batches; i++) {
    const began = performance.now()
    const count = Math.min(BATCH, runs - i * BATCH)
    await playBatch(seed + i, count)
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    if (batches > 1)
      console.log(`${i * BATCH + count} schedules, SEED=${seed + i} took ${seconds} s`)
  }
})

async function playBatch(batchSeed: number, count: number): Promise<void> {
  const { store, close } = openStore()
  try {
    const all = fc.sample(schedule, { seed: batchSeed, numRuns: count })
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
      if (culprit) throw await report(batchSeed, culprit, errors[at], failing)
    }
    // All of them at the end: journal, balances, sessions and receipts.
    assert.equal(await audit(store), [])
  } finally {
    await close()
  }
}

/** The smallest part of a failing schedule that still fails, with its seed. */
async function report(
  batchSeed: number,
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
  return new Error(`SEED=${batchSeed} fails with ${text}: ${cause}`, { cause })
}

test.run()
