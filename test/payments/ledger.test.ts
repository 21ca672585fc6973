import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_AMOUNT } from '../../events/index.ts'
import {
  balanceOf,
  post,
  rebuild,
  statement,
  verifyLedger,
} from '../../plugins/payment-stream/ledger.ts'
import { creditGrants, creditRail, grantCredit } from '../../plugins/payment-stream/rails/credit.ts'
import { openStore } from './bench.ts'

const test = suite<ReturnType<typeof openStore>>('ledger')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(context => context.close())

const pubkey = 'b'.repeat(64)
const by = 'c'.repeat(64)
const posting = (id: string, ...entries: [string, bigint][]) => ({
  id,
  asset: 'CREDIT',
  at: 1_700_000_000_000,
  memo: 'test',
  entries: entries.map(([account, amount]) => ({ account, amount })),
})
const refuses = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
  const error = await promise.then(
    () => undefined,
    (thrown: Error) => thrown,
  )
  assert.match(error?.message ?? 'it was posted', pattern)
}

test('an id posts once, whatever it says the second time', async ({ store }) => {
  const first = posting('p1', ['grant:x', -5n], ['viewer:a', 5n])
  assert.ok(await store.transaction(tx => post(tx, first)))
  const second = posting('p1', ['grant:x', -9n], ['viewer:a', 9n])
  assert.not(await store.transaction(tx => post(tx, second)))
  assert.is(await balanceOf(store, 'CREDIT', 'viewer:a'), 5n)
})

test('what does not sum to zero, overdraws or overflows leaves nothing behind', async ({
  store,
}) => {
  const attempt = (...args: Parameters<typeof posting>) =>
    store.transaction(tx => post(tx, posting(...args)))
  await attempt('ok', ['grant:x', -5n], ['viewer:a', 5n])
  await refuses(attempt('p2', ['viewer:a', 5n]), /sums to 5/)
  await refuses(attempt('p3', ['viewer:a', -6n], ['escrow:s', 6n]), /would leave -1 on viewer:a/)
  const much = MAX_AMOUNT - 4n
  await refuses(attempt('p4', ['grant:x', -much], ['viewer:a', much]), /beyond 2\^63-1/)
  for (const account of ['escrow:s', 'suspense:s', 'party:p'])
    await refuses(attempt('p5', [account, -1n], ['viewer:a', 1n]), /would leave -1/)
  assert.equal(
    [...(await rebuild(store))],
    [
      ['CREDIT grant:x', -5n],
      ['CREDIT viewer:a', 5n],
    ],
  )
  assert.equal(await verifyLedger(store), [])
})

test('assets never mix', async ({ store }) => {
  await store.transaction(tx => post(tx, posting('c', ['grant:x', -5n], ['viewer:a', 5n])))
  const sats = { ...posting('s', ['viewer:a', -5n], ['escrow:s', 5n]), asset: 'SAT' }
  await refuses(
    store.transaction(tx => post(tx, sats)),
    /would leave -5 on viewer:a/,
  )
})

test('a balance that was tampered with is found', async ({ store }) => {
  await store.transaction(tx => post(tx, posting('c', ['grant:x', -5n], ['viewer:a', 5n])))
  await store.transaction(tx => tx.put('balance', 'CREDIT viewer:a', '"6"'))
  assert.equal(await verifyLedger(store), ['CREDIT viewer:a holds 6, its journal says 5'])
})

test('any postings: balances are what the journal gives, none that must not is negative', async ({
  store,
}) => {
  const account = fc.constantFrom('viewer:a', 'viewer:b', 'escrow:s', 'party:p', 'grant:x')
  const move = fc.record({
    id: fc.integer({ min: 0, max: 60 }).map(String),
    from: account,
    to: account,
    amount: fc.bigInt({ min: 0n, max: 100n }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 20 }), async moves => {
      await Promise.allSettled(
        moves.map(({ id, from, to, amount }) =>
          store.transaction(tx => post(tx, posting(id, [from, -amount], [to, amount]))),
        ),
      )
      assert.equal(await verifyLedger(store), [])
    }),
    { numRuns: 50 },
  )
})

test('welcome credit comes once for each pubkey and ends at its cap', async ({ store }) => {
  const rail = creditRail({ welcome: 100n, welcomeCap: 250n })
  const welcome = (who: string) => store.transaction(tx => rail.welcome(tx, who, 1))
  for (const who of ['a', 'a', 'b', 'c', 'a']) await welcome(who)
  assert.is(await balanceOf(store, 'CREDIT', 'viewer:a'), 100n)
  assert.is(await balanceOf(store, 'CREDIT', 'viewer:b'), 100n)
  assert.is(await balanceOf(store, 'CREDIT', 'viewer:c'), 0n)
  assert.is(await balanceOf(store, 'CREDIT', 'grant:welcome'), -200n)
})

test('an operator grant credits once for its proof and leaves a trail', async ({ store }) => {
  const grant = { id: 'e1', pubkey, amount: 50n, why: 'Monday', by, at: 1_700_000_000_000 }
  const second = { ...grant, id: 'e2', amount: 7n, why: 'Tuesday', at: grant.at + 1 }
  assert.equal(await grantCredit(store, grant), { ok: true, balance: 50n })
  assert.equal(await grantCredit(store, { ...grant, at: 7 }), { ok: true, balance: 50n })
  assert.equal(await grantCredit(store, second), { ok: true, balance: 57n })
  const lines = await statement(store, 'CREDIT', 'grant:operator')
  assert.equal(
    lines.map(({ memo, amount, balance }) => [memo, amount, balance]),
    [
      [`granted by ${by}: Monday`, -50n, -50n],
      [`granted by ${by}: Tuesday`, -7n, -57n],
    ],
  )
  assert.throws(() => grantCredit(store, { ...grant, id: 'e3', amount: 0n }), /positive/)
  assert.equal(await creditGrants(store, { limit: 9 }), {
    grants: [second, grant],
    next: undefined,
  })
})

test('an id never grants another thing, and no grant takes an account beyond 2^63-1', async ({
  store,
}) => {
  const grant = { id: 'e1', pubkey, amount: 50n, why: 'Monday', by, at: 1_700_000_000_000 }
  await grantCredit(store, grant)
  const others = [{ amount: 51n }, { why: 'Tuesday' }, { pubkey: by }, { by: pubkey }]
  for (const other of others) {
    const answer = await grantCredit(store, { ...grant, ...other })
    assert.is(!answer.ok && answer.problem, 'taken', JSON.stringify(Object.keys(other)))
  }
  const most = { ...grant, id: 'e2', amount: MAX_AMOUNT - 50n }
  const beyond = await grantCredit(store, { ...most, amount: most.amount + 1n })
  assert.is(!beyond.ok && beyond.problem, 'too large')
  // The same, to somebody who has nothing: the grants' own account has its end too.
  const elsewhere = await grantCredit(store, { ...most, pubkey: by, amount: most.amount + 1n })
  assert.is(!elsewhere.ok && elsewhere.problem, 'too large')
  assert.equal(await grantCredit(store, most), { ok: true, balance: MAX_AMOUNT })
  assert.equal(await verifyLedger(store), [])
})

test('any grants, clicked, resent and mixed up: each id gives once, and the trail adds up', async () => {
  const people = [pubkey, by, 'd'.repeat(64)]
  const who = fc.constantFrom(...people)
  const one = fc
    .record({
      id: fc.constantFrom('i', 'j', 'k', 'l', 'm'),
      pubkey: who,
      by: who,
      amount: fc.oneof(fc.bigInt({ min: 1n, max: 3n }), fc.constant(MAX_AMOUNT - 2n)),
      why: fc.oneof(fc.string({ minLength: 1, maxLength: 8 }), fc.constantFrom('a: b\nc', 'x')),
      at: fc.integer({ min: 1, max: 3 }),
    })
    .map(grant => ({ ...grant }))
  const property = fc.asyncProperty(fc.array(one, { maxLength: 12 }), async asked => {
    const { store, close } = openStore()
    try {
      // Each is sent twice, and all at once.
      const twice = [...asked, ...asked]
      const answers = await Promise.all(twice.map(grant => grantCredit(store, grant)))
      const first = new Map<string, (typeof asked)[number]>()
      twice.forEach((grant, i) => {
        if (answers[i]?.ok && !first.has(grant.id)) first.set(grant.id, grant)
      })
      for (const [i, grant] of twice.entries()) {
        const given = first.get(grant.id)
        if (answers[i]?.ok) assert.equal({ ...grant, at: given?.at }, given)
      }
      for (const somebody of people) {
        const mine = [...first.values()].filter(grant => grant.pubkey === somebody)
        const sum = mine.reduce((total, { amount }) => total + amount, 0n)
        assert.is(await balanceOf(store, 'CREDIT', `viewer:${somebody}`), sum)
      }
      const trail = []
      for (let before: string | undefined; ; ) {
        const page = await creditGrants(store, { before, limit: 2 })
        trail.push(...page.grants)
        before = page.next
        if (before === undefined) break
      }
      const newestFirst = [...first.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
      assert.equal(trail, newestFirst)
      assert.equal(await verifyLedger(store), [])
    } finally {
      await close()
    }
  })
  await fc.assert(property, { numRuns: 30 })
})

test.run()
