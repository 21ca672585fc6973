import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { amount, collection } from '../../plugins/plugin.ts'
import { openStore } from './bench.ts'

const shape = z.object({
  text: z.string(),
  count: z.number(),
  flag: z.boolean().optional(),
  paid: amount,
  most: amount.optional(),
  state: z.enum(['open', 'settled']),
  parts: z.array(z.object({ who: z.string(), got: amount })),
  rates: z.array(z.number()).min(1),
  end: z.object({ at: z.number(), refunded: amount }).optional(),
})
type Value = z.output<typeof shape>
const things = collection('thing', shape)

const plainRecord = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>

const value: fc.Arbitrary<Value> = fc.record(
  {
    text: fc.string({ unit: 'grapheme' }),
    count: fc.double({ noNaN: true, noDefaultInfinity: true }).map(n => (n === 0 ? 0 : n)),
    flag: fc.boolean(),
    paid: fc.bigInt(),
    most: fc.bigInt(),
    state: fc.constantFrom('open', 'settled'),
    parts: fc.array(plainRecord({ who: fc.string(), got: fc.bigInt() }), { maxLength: 3 }),
    rates: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    end: plainRecord({ at: fc.nat(), refunded: fc.bigInt() }),
  },
  { requiredKeys: ['text', 'count', 'paid', 'state', 'parts', 'rates'], noNullPrototype: true },
)
const whole: Value = { text: '', count: 1, paid: 5n, state: 'open', parts: [], rates: [1] }

const test = suite<ReturnType<typeof openStore>>('collection')
test.before(context => {
  Object.assign(context, openStore())
})
test.after(({ close }) => close())

test('a document is kept as zod would keep it, and comes back as it was', async ({ store }) => {
  const values = fc.sample(value, 500)
  await store.transaction(async tx => {
    for (const [i, one] of values.entries()) await things.put(tx, String(i), one)
  })
  for (const [i, one] of values.entries()) {
    assert.is(await store.get('thing', String(i)), JSON.stringify(z.encode(shape, one)))
    assert.equal(await things.get(store, String(i)), one)
  }
})

test('what its shape does not know is neither kept nor read', async ({ store }) => {
  await store.transaction(async tx => {
    await things.put(tx, 'more', { ...whole, more: 1 } as Value)
    await tx.put('thing', 'old', JSON.stringify({ ...whole, paid: '5', gone: 1 }))
  })
  assert.not.match((await store.get('thing', 'more')) ?? '', 'more')
  assert.equal(await things.get(store, 'old'), whole)
})

const misfits: [name: string, wrong: Record<string, unknown>][] = [
  ['a field that is missing', { text: undefined }],
  ['a number for a text', { text: 1 }],
  ['no number', { count: Number.NaN }],
  ['a state of no name', { state: 'paused' }],
  ['no array', { parts: {} }],
  ['fewer elements than its least', { rates: [] }],
  ['an element that does not fit', { parts: [{ who: 'a' }] }],
  ['null for an object', { end: null }],
]

for (const [name, wrong] of misfits)
  test(`${name} is refused by zod, in both directions`, async ({ store }) => {
    const bad = { ...whole, ...wrong } as Value
    await throws(store.transaction(tx => things.put(tx, 'bad', bad)))
    assert.is(await store.get('thing', 'bad'), undefined)
    const text = JSON.stringify({ ...whole, paid: '5', ...wrong })
    await store.transaction(tx => tx.put('thing', 'broken', text))
    await throws(things.get(store, 'broken'))
  })

test('an amount is a whole number: as a bigint in the value, as a text in the document', async ({
  store,
}) => {
  for (const paid of [5, '5', null])
    await throws(
      store.transaction(tx => things.put(tx, 'bad', { ...whole, paid } as unknown as Value)),
    )
  for (const paid of [5, '', '0x5', '5.0']) {
    const text = JSON.stringify({ ...whole, paid })
    await store.transaction(tx => tx.put('thing', 'broken', text))
    await throws(things.get(store, 'broken'))
  }
})

test('a shape with rules of its own is left to zod', async ({ store }) => {
  const ruled = collection(
    'ruled',
    z.object({ name: z.string().min(2), seen: z.number().default(7) }),
  )
  await store.transaction(tx => tx.put('ruled', 'a', '{"name":"ab"}'))
  assert.equal(await ruled.get(store, 'a'), { name: 'ab', seen: 7 })
  await throws(store.transaction(tx => ruled.put(tx, 'b', { name: 'a', seen: 1 })))
})

async function throws(work: Promise<unknown>): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.instance(error, z.core.$ZodError)
}

test.run()
