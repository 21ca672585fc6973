import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatDecimal, parseDecimal } from '../../scripts/economics/decimal.ts'
import { economics, nothing, type Scenario } from '../../scripts/economics/model.ts'
import { runEconomics } from '../../scripts/sluice/economics.ts'

const split = { creator: 9000, relay: 500, transcoder: 300, protocol: 200 }
const fixed = { creator: nothing, relay: nothing, transcoder: nothing, protocol: nothing }

test('the seed example: 100 viewers at $0.10 a minute, split 90/5/3/2', async () => {
  assert.is(
    await runEconomics(['--viewers', '100', '--price', '0.10/minute', '--minutes', '1', '--csv']),
    [
      'role,revenue,cost,profit,break-even viewers',
      'creator,9.00,0.00,9.00,0',
      'relay,0.50,0.00,0.50,0',
      'transcoder,0.30,0.00,0.30,0',
      'protocol,0.20,0.00,0.20,0',
      'total,10.00,0.00,10.00,0',
    ].join('\n'),
  )
})

test('costs fall on who bears them, and the break-even audience is the smallest without a loss', async () => {
  const args = ['--minutes', '60', '--bitrate-kbps', '3000', '--fixed', 'creator=30']
  const costs = ['--transcoding-per-minute', '0.05', '--bandwidth-per-gb', '0.08']
  const text = await runEconomics([...args, ...costs])
  assert.is(
    text,
    [
      // 1.35 GB each: 10.80 for the relay, which has 30 of 600; 3.00 for the transcoder, at 0.18 a viewer.
      'role        revenue   cost  profit  break-even viewers',
      'creator      540.00  30.00  510.00                   6',
      'relay         30.00  10.80   19.20                   0',
      'transcoder    18.00   3.00   15.00                  17',
      'protocol      12.00   0.00   12.00                   0',
      'total        600.00  43.80  556.20                   6',
    ].join('\n'),
  )
  const dear = await runEconomics([...args, '--bandwidth-per-gb', '0.50', '--csv'])
  assert.match(dear, '\nrelay,30.00,67.50,-37.50,never\n')
})

test('what cannot be read is one sentence', async () => {
  const cases: [string[], string][] = [
    [['--viewers', 'many'], '--viewers needs a whole number, not "many"'],
    [['--price', '0.10'], '--price needs an amount and second, minute or hour, as in 0.10/minute'],
    [['--price', '0.1000001/minute'], '--price has at most 6 digits behind the point'],
    [['--minutes', '-1'], '--minutes needs a number such as 0.10, not "-1"'],
    [
      ['--split', '90,5,3,2'],
      '--split needs basis points for creator, relay, transcoder, protocol that sum to 10000, as in 9000,500,300,200',
    ],
    [
      ['--fixed', 'host=1'],
      '--fixed needs one of creator, relay, transcoder, protocol and an amount, as in relay=1.50',
    ],
  ]
  for (const [args, sentence] of cases) {
    const [option = '', value] = args
    const error = await runEconomics([`${option}=${value}`]).catch((thrown: Error) => thrown)
    assert.is(error instanceof Error ? error.message : error, sentence)
  }
})

const amount = fc.bigInt({ min: 0n, max: 10n ** 12n })
const scenario: fc.Arbitrary<Scenario> = fc.record({
  viewers: fc.nat(100_000),
  price: fc.record({ amount, unit: fc.constantFrom('second', 'minute', 'hour') }),
  durationMs: fc.bigInt({ min: 0n, max: 86_400_000n }),
  bitrateKbps: fc.bigInt({ min: 0n, max: 50_000n }),
  transcodingPerMinute: amount.map(over => ({ over, under: 7n })),
  bandwidthPerGb: amount.map(over => ({ over, under: 3n })),
  fixed: fc.constant(fixed),
  split: fc.constant(split),
})

test('nothing is lost between the roles, and one viewer fewer than the break-even audience is a loss', () => {
  fc.assert(
    fc.property(scenario, show => {
      const { lines, total, perViewer } = economics(show)
      assert.is(
        lines.reduce((sum, line) => sum + line.revenue, 0n),
        total.revenue,
      )
      assert.is(total.revenue, perViewer * BigInt(show.viewers))
      for (const [i, { role, breakEven }] of lines.entries()) {
        if (breakEven === undefined) {
          // Then even the largest audience does not do.
          const most = economics({ ...show, viewers: 2 ** 50 }).lines[i]
          assert.ok((most?.profit ?? 0n) < 0n, `${role} never breaks even`)
        } else {
          const at = (viewers: bigint) =>
            economics({ ...show, viewers: Number(viewers) }).lines[i]?.profit ?? 0n
          if (breakEven < 2n ** 53n) assert.ok(at(breakEven) >= 0n, `${role} at ${breakEven}`)
          if (breakEven > 0n && breakEven < 2n ** 53n)
            assert.ok(at(breakEven - 1n) < 0n, `${role} below ${breakEven}`)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('decimals are read and written exactly', () => {
  assert.equal(parseDecimal('0.10', 6), { over: 10_000_000n, under: 100n })
  assert.is(parseDecimal('.5', 6), undefined)
  assert.is(parseDecimal('1e3', 6), undefined)
  assert.is(formatDecimal(100_000n, 6), '0.10')
  assert.is(formatDecimal(-1n, 6), '-0.000001')
  assert.is(formatDecimal(12n, 0), '12')
})

test.run()
