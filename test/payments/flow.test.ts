import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Event, generateSecretKey } from 'nostr-tools'
import { getToken } from 'nostr-tools/nip98'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { streams } from '../../plugins/live-stream/stream.ts'
import paymentStream from '../../plugins/payment-stream/index.ts'
import { balanceOf, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { sessions } from '../../plugins/payment-stream/session.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { PaymentSession, Person, tag } from '../flows/independent.ts'
import { person, spawnRelay, startRelay, type TestRelay } from '../harness.ts'
import { silent } from '../relay/naive.ts'
import { liveStream } from './bench.ts'

const creator = 'a'.repeat(64)
const stream = liveStream(creator, { amount: 10n, unit: 'second' }, { liveSince: Date.now() })
const operator = person()

const test = suite<{ relay: TestRelay; viewer: Person; self: string }>('payments over the wire')
test.before(async context => {
  context.relay = await startRelay({
    plugins: [paymentStream],
    set: [`paymentStream.operators=["${operator.pubkey}"]`],
  })
  const { store, self } = context.relay.relay
  await store.transaction(tx => streams.put(tx, stream.address, stream))
  context.self = self
})
test.before.each(async context => {
  context.viewer = await Person.connect(context.relay.url)
})
test.after.each(({ viewer }) => viewer.close())
test.after(async ({ relay }) => {
  assert.equal(await verifyLedger(relay.relay.store), [])
  await relay.stop()
})

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it was accepted',
    error => (error instanceof Error ? error.message : String(error)),
  )

test('an independent client opens, pays, repeats and closes', async ({ viewer, self, relay }) => {
  const session = await PaymentSession.open(viewer, self, stream.address, ['10', 'second'])
  assert.is(tag(session.accepted, 'status'), 'accepted')
  assert.is(session.accepted.pubkey, self)

  const event = viewer.sign(session.voucher(100n))
  const receipt = viewer.next({ kinds: [5613], '#p': [viewer.pubkey], '#e': [event.id] })
  await viewer.relay.publish(event)
  assert.is(tag(await receipt, 'total_received'), '100')
  const ahead = Number(tag(await receipt, 'paid_until')) - Date.now() / 1000
  assert.ok(ahead > 8 && ahead < 11, `paid ${ahead} s ahead`)

  const { created_at, kind, tags } = event
  const anew = viewer.sign({ created_at: created_at - 1, kind, tags, content: '' })
  assert.match(
    await viewer.relay.publish(anew),
    /^duplicate: already settled, receipt [0-9a-f]{64}$/,
  )

  const answered = viewer.next({ kinds: [5615], authors: [self], '#p': [viewer.pubkey] })
  await session.close()
  const answer = await answered
  const [sent, kept, back] = ['final_sent', 'final_received', 'refunded'].map(name =>
    BigInt(tag(answer, name) ?? 0),
  )
  assert.is(sent, 100n)
  assert.is((kept ?? 0n) + (back ?? 0n), 100n)
  const account = `viewer:${viewer.pubkey}`
  assert.is(await balanceOf(relay.relay.store, 'CREDIT', account), 900n + (back ?? 0n))
  assert.match(await refusal(session.pay(1n)), /restricted: this session is closed/)
})

test('what only the payee says is refused from anybody else', async ({ viewer, self }) => {
  const session = await PaymentSession.open(viewer, self, stream.address, ['10', 'second'])
  for (const kind of [5611, 5613, 5614]) {
    const forged = { kind, tags: [['e', session.opened.id, '', 'open']], content: '' }
    assert.match(
      await refusal(viewer.publish(forged)),
      new RegExp(`restricted: kind ${kind} comes from the payee, this relay`),
    )
  }
  const malformed = { kind: 5612, tags: [['sequence', '1']], content: '' }
  assert.match(await refusal(viewer.publish(malformed)), /invalid: a payment needs/)
})

test('one viewer pays so often a second, the others do not notice', async ({ viewer }) => {
  const calm = await startRelay({
    plugins: [paymentStream],
    set: ['paymentStream.maxPaymentsPerSecond=3', 'paymentStream.prepaySeconds=10'],
  })
  await calm.relay.store.transaction(tx => streams.put(tx, stream.address, stream))
  const hasty = await Person.connect(calm.url, viewer.secret)
  const other = await Person.connect(calm.url)
  const session = await PaymentSession.open(hasty, calm.relay.self, stream.address, [
    '10',
    'second',
  ])
  const events = Array.from({ length: 12 }, () => hasty.sign(session.voucher(1n)))
  const said = await Promise.all(events.map(event => refusal(hasty.relay.publish(event))))
  assert.ok(said.includes('rate-limited: 3 payments a second are taken, wait a moment'))
  const theirs = await PaymentSession.open(other, calm.relay.self, stream.address, ['10', 'second'])
  assert.match(
    await refusal(other.relay.publish(other.sign(theirs.voucher(10_000n)))),
    /takes up to/,
  )
  const flow = await other.next({ kinds: [5614], '#p': [other.pubkey] })
  assert.is(tag(flow, 'rate_limit'), '3')
  hasty.close()
  other.close()
  await calm.stop()
})

test('an underpaid rate is told the price', async ({ viewer, self }) => {
  const opening = PaymentSession.open(viewer, self, stream.address, ['5', 'second'])
  assert.match(
    await refusal(opening),
    /restricted: this stream costs 10 CREDIT per second, you offered 5$/,
  )
})

test('NIP-11 says that CREDIT is not redeemable', async ({ relay }) => {
  const response = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  const { payment_rails } = (await response.json()) as { payment_rails: object[] }
  assert.equal(payment_rails, [
    { id: 'credit', finality: 'instant', asset: 'CREDIT', scale: 0, redeemable: false },
  ])
})

test('a balance is shown to its owner only, the welcome credit with the first look', async ({
  relay,
}) => {
  const url = `${relay.http}/api/v1/balance`
  const me = person()
  const ask = (authorization: string) => fetch(url, { headers: { authorization } })
  const token = await getToken(url, 'GET', me.sign, true)
  for (let i = 0; i < 2; i++) {
    const response = await ask(token)
    assert.is(response.status, 200)
    assert.equal(await response.json(), {
      pubkey: me.pubkey,
      balances: { CREDIT: '1000' },
      redeemable: [],
    })
  }
  const foreign = await getToken('https://elsewhere.example/api/v1/balance', 'GET', me.sign, true)
  const old = await getToken(
    url,
    'GET',
    t => me.sign({ ...t, created_at: t.created_at - 63 }),
    true,
  )
  const post = await getToken(url, 'POST', me.sign, true)
  for (const bad of ['', 'Nostr abc', foreign, old, post]) {
    const response = await ask(bad)
    assert.is(response.status, 401)
    assert.type(((await response.json()) as { error: string }).error, 'string')
  }
  const event = JSON.parse(Buffer.from(token.slice(6), 'base64').toString()) as Event
  const forged = { ...event, pubkey: operator.pubkey }
  assert.is((await ask(`Nostr ${btoa(JSON.stringify(forged))}`)).status, 401)
})

test('the operator grants credit, once for each proof; nobody else does', async ({ relay }) => {
  const url = `${relay.http}/api/v1/credits`
  const body = { pubkey: person().pubkey, amount: '500', why: 'a prize' }
  const send = async (who: typeof operator, said: object = body, signed: object = said) => {
    const authorization = await getToken(
      url,
      'POST',
      who.sign,
      true,
      signed as Record<string, string>,
    )
    return { authorization, again: () => post(authorization, said) }
  }
  const post = (authorization: string, said: object) =>
    fetch(url, { method: 'POST', headers: { authorization }, body: JSON.stringify(said) })

  const { again } = await send(operator)
  for (let i = 0; i < 3; i++) {
    const response = await again()
    assert.is(response.status, 200)
    assert.is(((await response.json()) as { balance: string }).balance, '500')
  }
  assert.is((await (await send(person())).again()).status, 403)
  assert.is((await (await send(operator, { ...body, amount: '9' }, body)).again()).status, 401)
  for (const amount of ['0', '-1', '0x10', '9223372036854775808', 1.5, null]) {
    const response = await (await send(operator, { ...body, amount })).again()
    assert.is(response.status, 400, String(amount))
    assert.match(((await response.json()) as { error: string }).error, /^amount: /)
  }
  for (const why of ['  ', undefined, 'x'.repeat(501)])
    assert.is((await (await send(operator, { ...body, why })).again()).status, 400)

  // An id of the operator's choice: signed anew (a second click), it grants nothing more.
  const id = 'a-click-on-the-page-1'
  const to = { ...body, pubkey: person().pubkey, id }
  const ask = async (who: typeof operator, said: object) => {
    const response = await (await send(who, said)).again()
    const { balance, error } = (await response.json()) as { balance?: string; error?: string }
    return [response.status, balance ?? error]
  }
  const clicks = await Promise.all([1, 2, 3].map(() => ask(operator, to)))
  assert.equal(clicks, Array(3).fill([200, '500']))
  const [status, why] = await ask(operator, { ...to, amount: '501' })
  assert.is(status, 409)
  assert.match(String(why), /^id: this id has granted 500 CREDIT/)
  for (const bad of ['short', 'x'.repeat(65), 'has a space in it', 7])
    assert.match(String(await ask(operator, { ...to, id: bad })), /^400,id: /)
  // One who is no operator gets nothing for a known id, and nothing for one of their own.
  for (const one of [id, 'an-id-of-a-stranger'])
    assert.is((await ask(person(), { ...to, id: one }))[0], 403)
  // The relay itself may choose as another operator did: an id is its operator's own.
  const most = String(2n ** 63n - 1n)
  assert.match(
    String(await ask(operator, { ...to, id: `${id}2`, amount: most })),
    /^400,amount: at/,
  )
  assert.is(await balanceOf(relay.relay.store, 'CREDIT', `viewer:${to.pubkey}`), 500n)
})

test('killed again and again under a paying load: journal = balances = sessions = receipts', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kill-'))
  const open = () => openSqliteStore({ dir, clock: { now: Date.now }, log: silent })
  const before = open()
  await before.transaction(tx => streams.put(tx, stream.address, stream))
  await before.close()
  const secret = generateSecretKey()
  const sent: Event[] = []
  let session: PaymentSession | undefined
  let acknowledged = 0n

  for (let round = 0; round < 3; round++) {
    const relay = await spawnRelay(['--set', `db=${dir}`, '--set', 'plugins=["payment-stream"]'])
    const viewer = await Person.connect(relay.url, secret)
    for (let i = 0; i < 3; i++)
      for (const event of sent) await viewer.relay.publish(event).catch(() => undefined)
    const info = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
    const { self } = (await info.json()) as { self: string }
    if (session) {
      const [receipt] = await newestReceipt(viewer, self)
      const received = BigInt(tag(receipt as Event, 'total_received') ?? 0)
      assert.ok(received >= acknowledged, `${acknowledged} was acknowledged, ${received} is there`)
      session.resume(viewer, received, Number(tag(receipt as Event, 'sequence')))
    } else session = await PaymentSession.open(viewer, self, stream.address, ['10', 'second'])

    const current = session
    const load = (async () => {
      for (;;) {
        const event = viewer.sign(current.voucher(1n))
        sent.push(event)
        await viewer.relay.publish(event)
        acknowledged = BigInt(tag(event, 'total_sent') ?? 0)
      }
    })().catch(() => undefined)
    await sleep(100 + Math.random() * 300)
    await relay.kill('SIGKILL')
    viewer.close()
    await load
  }

  const store = open()
  assert.equal(await verifyLedger(store), [])
  const [kept] = await sessions.list(store)
  const { received, viewer = '' } = kept?.value ?? {}
  assert.ok((received ?? 0n) >= acknowledged && acknowledged > 0n)
  assert.is(await balanceOf(store, 'CREDIT', `viewer:${viewer}`), 1000n - (received ?? 0n))
  const receipts = await store.events([{ kinds: [5613] }])
  assert.equal(
    receipts.map(receipt => receipt.tags.find(t => t[0] === 'total_received')?.[1]),
    [String(received)],
  )
  await store.close()
  await rm(dir, { recursive: true })
})

async function newestReceipt(viewer: Person, self: string): Promise<Event[]> {
  return [await viewer.next({ kinds: [5613], authors: [self], '#p': [viewer.pubkey] })]
}

test.run()
