import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { due, type Rate, type TimeUnit, timeUnits } from '../../events/index.ts'
import { dueOf, type Epoch, ran, remainingMs } from '../../plugins/payment-stream/meter.ts'
import { finalSplit, runningSplit, type Share } from '../../plugins/payment-stream/split.ts'

const shares = (...bps: number[]): Share[] => bps.map((bp, i) => ({ account: `party:${i}`, bp }))
const usual = shares(9000, 500, 300, 200)
const sum = (amounts: bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n)

const anyShares = fc
  .array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 5 })
  .map(cuts => [0, ...cuts.sort((a, b) => a - b), 10_000])
  .map(cuts => shares(...cuts.slice(1).map((cut, i) => cut - (cuts[i] ?? 0))))
const total = fc.bigInt({ min: 0n, max: 10n ** 18n })
const rate: fc.Arbitrary<Rate<TimeUnit>> = fc.record({
  amount: fc.bigInt({ min: 0n, max: 10n ** 9n }),
  unit: fc.constantFrom(...timeUnits),
})
const epochs = fc.array(fc.record({ rate, activeMs: fc.integer({ min: 0, max: 10 ** 9 }) }), {
  minLength: 1,
  maxLength: 4,
})

test('the usual split of small totals', () => {
  assert.equal(runningSplit(usual, 0n), [0n, 0n, 0n, 0n])
  assert.equal(runningSplit(usual, 10_000n), [9000n, 500n, 300n, 200n])
  assert.equal(runningSplit(usual, 19n), [17n, 0n, 0n, 0n])
  // 17.1, 0.95, 0.57, 0.38: the two units left go to the relay and to the transcoder.
  assert.equal(finalSplit(usual, 19n), [17n, 1n, 1n, 0n])
  // A tie of four quarters goes by the lowest index.
  assert.equal(finalSplit(shares(2500, 2500, 2500, 2500), 2n), [1n, 1n, 0n, 0n])
})

test('the running split never takes back, and never gives more than the total', () => {
  fc.assert(
    fc.property(anyShares, total, total, (parts, a, b) => {
      const [less, more] = a < b ? [a, b] : [b, a]
      const before = runningSplit(parts, less)
      const after = runningSplit(parts, more)
      for (const [i, amount] of before.entries()) assert.ok(amount <= (after[i] ?? -1n))
      const rest = more - sum(after)
      assert.ok(rest >= 0n && rest < BigInt(parts.length))
    }),
  )
})

test('the final split sums to the total, adds at most one unit to each, and never takes back', () => {
  fc.assert(
    fc.property(anyShares, total, (parts, amount) => {
      const running = runningSplit(parts, amount)
      const final = finalSplit(parts, amount)
      assert.is(sum(final), amount)
      for (const [i, part] of final.entries()) {
        const more = part - (running[i] ?? 0n)
        assert.ok(more === 0n || more === 1n)
        if (parts[i]?.bp === 0) assert.is(part, 0n)
      }
    }),
  )
})

test('one epoch costs what its rate says', () => {
  fc.assert(
    fc.property(rate, fc.integer({ min: 0, max: 10 ** 12 }), (r, activeMs) => {
      assert.is(dueOf([{ rate: r, activeMs }]), due(r, BigInt(activeMs)))
    }),
  )
})

test('a price change in the middle of a unit loses nothing', () => {
  const half: Epoch[] = [
    { rate: { amount: 1n, unit: 'second' }, activeMs: 500 },
    { rate: { amount: 30n, unit: 'minute' }, activeMs: 1000 },
  ]
  assert.is(dueOf(half), 1n)
})

test('remainingMs is the last moment whose due is covered, in debt as in credit', () => {
  fc.assert(
    fc.property(epochs, total, (list, paid) => {
      const left = remainingMs(list, paid)
      const last = list.at(-1)
      if (!last || Math.abs(left) > 10 ** 12) return
      if (left >= 0) {
        assert.ok(dueOf(ran(list, left)) <= paid)
        assert.ok(dueOf(ran(list, left + 1)) > paid)
      } else {
        assert.ok(dueOf(list) > paid)
        // Going back that far (within the running epoch) covers it, one ms less does not.
        if (last.activeMs >= -left) {
          assert.ok(dueOf(ran(list, left)) <= paid)
          assert.ok(dueOf(ran(list, left + 1)) > paid)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test.run()
