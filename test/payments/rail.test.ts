/** The PaymentRail contract, held by a rail as Cashu and Lightning need it: proofs inside a 5612, deposits, payouts. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closer } from '../../plugins/payment-stream/close.ts'
import type { Desk } from '../../plugins/payment-stream/desk.ts'
import { accounts, balanceOf, post, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { opener } from '../../plugins/payment-stream/open.ts'
import { cashier } from '../../plugins/payment-stream/pay.ts'
import type { Funding, PaymentRail } from '../../plugins/payment-stream/rail.ts'
import { sessions } from '../../plugins/payment-stream/session.ts'
import type { Store } from '../../plugins/plugin.ts'
import { heard, liveStream, openStore, payee, saveStream, viewerOf } from './bench.ts'

const test = suite<ReturnType<typeof openStore>>('rails')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(async context => {
  assert.equal(await verifyLedger(context.store), [])
  await context.close()
})

const TOK = 'TOK'

/** The outside world: tokens that it issued, and what it holds for the relay. */
function mint() {
  const live = new Map<string, bigint>()
  let issued = 0
  return {
    holds: 0n,
    issue(amount: bigint): string {
      issued += 1
      const token = `token-${issued}`
      live.set(token, amount)
      return `${token}:${amount}`
    },
    worth: (proof: string): bigint | undefined => live.get(proof.split(':')[0] ?? ''),
  }
}

/** A rail of bearer tokens, with deposits that settle later and payouts. */
function tokenRail(store: Store, outside: ReturnType<typeof mint>) {
  const offer = { id: 'token', finality: 'instant', terms: ['one token with each 5612'] }
  const quotes = new Map<string, { viewer: string; amount: bigint }>()
  const no = (msg: string): Funding => ({ ok: false, msg, topUp: [offer] })

  const rail: PaymentRail & { settle(quote: string): Promise<void> } = {
    ...{ id: 'token', asset: TOK, scale: 0, redeemable: true, offer },
    checkProof: async proof =>
      outside.worth(proof) === undefined ? 'this token is not from our mint' : undefined,
    async fund(tx, { viewer, amount, proof }, at) {
      const account = `viewer:${viewer}`
      if (proof !== undefined) {
        const worth = outside.worth(proof) ?? 0n
        const entries = [
          { account: 'rail:token', amount: -worth },
          { account, amount: worth },
        ]
        const posting = { id: `token:${proof}`, asset: TOK, at, memo: 'token', entries }
        if (!(await post(tx, posting))) return no('this token was spent before')
      }
      const balance = await balanceOf(tx, TOK, account)
      return amount <= balance ? { ok: true } : no(`your balance is ${balance} ${TOK}`)
    },
    async quote(viewer, amount) {
      const id = `quote-${quotes.size}`
      quotes.set(id, { viewer, amount })
      return { id, pay: `pay:${id}`, expiresAt: 0 }
    },
    async payout({ id, account, amount }) {
      await store.transaction(tx =>
        post(tx, {
          ...{ id: `payout:${id}`, asset: TOK, at: 0, memo: 'payout' },
          entries: [
            { account, amount: -amount },
            { account: 'rail:token', amount },
          ],
        }),
      )
    },
    async reconcile() {
      const owes = -(await balanceOf(store, TOK, 'rail:token'))
      return owes === outside.holds ? [] : [`the mint holds ${outside.holds}, the ledger ${owes}`]
    },
    /** What a job does when the mint says that a deposit was paid; twice is once. */
    async settle(id) {
      const quote = quotes.get(id)
      if (!quote) return
      await store.transaction(tx =>
        post(tx, {
          ...{ id: `deposit:${id}`, asset: TOK, at: 0, memo: 'deposit' },
          entries: [
            { account: 'rail:token', amount: -quote.amount },
            { account: `viewer:${quote.viewer}`, amount: quote.amount },
          ],
        }),
      )
    },
  }
  return rail
}

const creator = 'a'.repeat(64)
const viewer = 'b'.repeat(64)
const rate = { amount: 10n, unit: 'second' } as const

async function scene(store: Store) {
  const outside = mint()
  const rail = tokenRail(store, outside)
  const { desk: plain, time, ctx } = payee(store, { prepaySeconds: 1_000_000 })
  const desk: Desk = { ...plain, rails: [...plain.rails, rail] }
  const stream = liveStream(creator, rate, { price: { ...rate, asset: TOK } })
  await saveStream(store, stream)
  const take = { open: opener(desk), money: cashier(desk), close: closer(desk) }
  return {
    ...{ outside, rail, time, desk },
    async opened() {
      const me = viewerOf(viewer, stream, time)
      const opening = me.open(rate)
      assert.is(heard(await take.open(opening, ctx)), 'ok')
      const { id } = opening
      const pay = async (sequence: bigint, total: bigint, proof?: string) =>
        heard(
          await take.money(
            me.voucher(id, sequence, total, proof ? [['proof', 'token', proof]] : []),
            ctx,
          ),
        )
      return { id, pay, close: async () => heard(await take.close(me.close(id))) }
    },
    balance: (account: string, asset = TOK) => balanceOf(store, asset, account),
  }
}

test('a token inside a 5612 pays once, wherever it comes again; its rest stays on the balance', async ({
  store,
}) => {
  const { opened, outside, balance } = await scene(store)
  const [first, second] = [await opened(), await opened()]
  const token = outside.issue(100n)
  assert.is(await first.pay(1n, 60n, 'forged:60'), 'restricted: this token is not from our mint')
  assert.is(await first.pay(1n, 60n, token), 'ok')
  assert.is(await balance(`viewer:${viewer}`), 40n)
  assert.match(await first.pay(1n, 60n, token), /^ok duplicate: already settled/)
  assert.is(await second.pay(1n, 60n, token), 'restricted: this token was spent before')
  assert.is(await balance(`viewer:${viewer}`), 40n)
  assert.is(await second.pay(2n, 40n), 'ok', 'the rest of the token pays like any prepaid money')
  // The viewer has 1000 CREDIT of welcome credit, which are none of these.
  assert.is(await second.pay(3n, 50n), 'restricted: your balance is 0 TOK')
  assert.is(await balance(`viewer:${viewer}`, 'CREDIT'), 1000n)
})

test('a token too small for its voucher is its viewer’s all the same; one refused before is not looked at', async ({
  store,
}) => {
  const { opened, outside, balance } = await scene(store)
  const { pay } = await opened()
  const token = outside.issue(50n)
  assert.is(await pay(1n, 60n, token), 'restricted: your balance is 50 TOK')
  // The token was too small for what was promised: it is the viewer's all the same, on the balance.
  assert.is(await balance(`viewer:${viewer}`), 50n)
  assert.is(await pay(2n, 50n), 'ok')
  const other = outside.issue(9n)
  assert.match(await pay(3n, 49n, other), /total_sent falls/)
  assert.match(await pay(3n, 20_000_000n, other), /takes up to/)
  assert.is(await pay(3n, 59n, other), 'ok')
})

const deed = fc.oneof(
  fc.record({
    op: fc.constant('token'),
    worth: fc.bigInt({ min: 1n, max: 99n }),
    more: fc.bigInt({ min: 0n, max: 120n }),
  }),
  fc.record({ op: fc.constant('again'), which: fc.nat(9), more: fc.bigInt({ min: 0n, max: 50n }) }),
  fc.record({ op: fc.constant('prepaid'), more: fc.bigInt({ min: 0n, max: 80n }) }),
  fc.record({
    op: fc.constant('deposit'),
    worth: fc.bigInt({ min: 1n, max: 99n }),
    times: fc.nat(2),
  }),
  fc.record({
    op: fc.constant('payout'),
    part: fc.bigInt({ min: 0n, max: 100n }),
    times: fc.nat(2),
  }),
  fc.record({ op: fc.constant('wait'), ms: fc.nat(5000) }),
  fc.record({ op: fc.constant('reopen') }),
)

test('each proof credits once, what is owed is what the rail holds, and no other asset moves', async ({
  store,
}) => {
  const at = await scene(store)
  const { rail, outside, time, balance } = at
  let now = await at.opened()
  let sequence = 0n
  let payouts = 0
  const used = new Set<string>()
  const tokens: string[] = []
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 15 }), async deeds => {
      for (const step of deeds) {
        const received = (await sessions.get(store, now.id))?.received ?? 0n
        sequence += 1n
        if (step.op === 'token' || step.op === 'again') {
          const token =
            step.op === 'token' ? outside.issue(step.worth) : tokens[step.which % tokens.length]
          if (!token) continue
          tokens.push(token)
          await now.pay(sequence, received + step.more, token)
          // The mint redeems what the ledger credited, once.
          const credited = await store.get('posted', `token:${token}`)
          if (credited !== undefined && !used.has(token))
            outside.holds += outside.worth(token) ?? 0n
          if (credited !== undefined) used.add(token)
        } else if (step.op === 'prepaid') await now.pay(sequence, received + step.more)
        else if (step.op === 'deposit') {
          const quote = await rail.quote?.(viewer, step.worth)
          for (let i = 0; i <= step.times; i++) await rail.settle(quote?.id ?? '')
          outside.holds += step.worth
        } else if (step.op === 'payout') {
          const account = `party:${creator}`
          const amount = ((await balance(account)) * step.part) / 100n
          payouts += 1
          for (let i = 0; i <= step.times; i++)
            await rail.payout?.({ id: `${payouts}`, account, amount, to: 'anywhere' })
          outside.holds -= amount
        } else if (step.op === 'wait') time.now += step.ms
        else {
          await now.close()
          now = await at.opened()
          sequence = 0n
        }
        const owed = (await accounts(store))
          .filter(one => one.asset === TOK && !one.account.startsWith('rail:'))
          .reduce((sum, one) => sum + one.balance, 0n)
        assert.is(owed, outside.holds, 'what is owed is what the rail holds')
        assert.equal(await rail.reconcile?.(), [])
        assert.is(await balance(`viewer:${viewer}`, 'CREDIT'), 1000n)
      }
    }),
    { numRuns: 30 },
  )
})

test.run()
