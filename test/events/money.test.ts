import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { due, isBelow, MAX_AMOUNT, paidMs, parseAmount, timeUnits } from '../../events/index.ts'

const amount = fc.bigInt({ min: 1n, max: 10n ** 12n })
const rate = fc.record({ amount, unit: fc.constantFrom(...timeUnits) })

test('amounts are canonical integers up to 2^63-1', () => {
  assert.is(parseAmount('0'), 0n)
  assert.is(parseAmount(String(MAX_AMOUNT)), MAX_AMOUNT)
  for (const text of ['', '00', '0x10', ' 12 ', '1.0', '-1', '9223372036854775808', undefined])
    assert.is(parseAmount(text), undefined, text)
})

test('1000 an hour never becomes 0 a second', () => {
  const hourly = { amount: 1000n, unit: 'hour' } as const
  assert.is(due(hourly, 3_600_000n), 1000n)
  assert.is(due(hourly, 3_599_999n), 999n)
  assert.ok(isBelow({ amount: 999n, unit: 'hour' }, hourly))
  assert.not(isBelow({ amount: 17n, unit: 'minute' }, hourly))
  assert.ok(isBelow({ amount: 16n, unit: 'minute' }, hourly))
})

test('billing in ticks charges what billing at once does', () => {
  fc.assert(
    fc.property(
      rate,
      fc.array(fc.bigInt({ min: 1n, max: 10_000n }), { maxLength: 50 }),
      (r, ticks) => {
        let elapsed = 0n
        let charged = 0n
        for (const tick of ticks) {
          elapsed += tick
          charged += due(r, elapsed) - charged
        }
        assert.is(charged, due(r, elapsed))
      },
    ),
  )
})

test('paidMs is the last moment whose due is covered', () => {
  fc.assert(
    fc.property(rate, fc.bigInt({ min: 0n, max: 10n ** 15n }), (r, total) => {
      const until = paidMs(r, total) ?? 0n
      assert.ok(due(r, until) <= total)
      assert.ok(due(r, until + 1n) > total)
    }),
  )
  assert.is(paidMs({ amount: 0n, unit: 'second' }, 5n), undefined)
})

test.run()
