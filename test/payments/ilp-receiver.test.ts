import { decode as fromToon } from '@toon-format/toon'
import * as Ilp from 'ilp-packet'
import { verifyEvent } from 'nostr-tools/pure'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import { streams } from '../../plugins/live-stream/stream.ts'
import { balanceOf, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { connect, person } from '../harness.ts'
import { liveStream } from './bench.ts'
import { ADDRESS, ALICE_TOKEN, HUB_TOKEN, type IlpRelay, payer, startIlpRelay } from './ilp.ts'

const direct = person()
const test = suite<{ relay: IlpRelay }>('ilp: the receiver')
test.before(async context => {
  context.relay = await startIlpRelay({ direct: direct.pubkey })
})
test.after(async ({ relay }) => {
  assert.equal(await verifyLedger(relay.relay.store), [])
  await relay.stop()
})

const post = (relay: IlpRelay, body: Buffer | string, token = HUB_TOKEN, path = '/ilp') =>
  fetch(`${relay.http}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  })

interface Packet {
  amount?: bigint
  condition: Buffer
  data: Buffer
  destination?: string
  expiresInMs?: number
}
const prepare = ({ amount = 0n, expiresInMs = 10_000, destination = ADDRESS, ...rest }: Packet) =>
  Ilp.serializeIlpPrepare({
    amount: String(amount),
    expiresAt: new Date(Date.now() + expiresInMs),
    executionCondition: rest.condition,
    destination,
    data: rest.data,
  })

/** Sends bytes as they are and reads the answer with the npm library. */
async function send(relay: IlpRelay, bytes: Buffer, token = HUB_TOKEN) {
  const response = await post(relay, bytes, token)
  assert.is(response.status, 200)
  const reply = Ilp.deserializeIlpReply(Buffer.from(await response.arrayBuffer()))
  const event: NostrEvent | undefined =
    reply.data[0] === 0x7b ? JSON.parse(reply.data.toString()) : undefined
  if (event) assert.ok(verifyEvent({ ...event, tags: event.tags.map(tag => [...tag]) }))
  return 'code' in reply
    ? { code: reply.code, message: reply.message, event, reply }
    : { code: 'fulfilled', message: '', event, reply, fulfillment: reply.fulfillment }
}

/** A session opened by packet, and how to pay in it. */
async function opened(relay: IlpRelay, who = person(), more: string[][] = [], token = HUB_TOKEN) {
  const me = payer(who, relay.self, relay.stream.address)
  const open = me.open(more)
  const bytes = prepare({ condition: me.free(open), data: me.data(open) })
  const { code, message, event } = await send(relay, bytes, token)
  assert.is(code, 'fulfilled', message)
  const secret = me.secretOf(event as NostrEvent)
  const packet = (event: NostrEvent, amount: bigint, more: Partial<Packet> = {}) => {
    const sequence = BigInt(tagValue(event, 'sequence') ?? 0)
    const condition = me.condition(me.fulfillment(secret, sequence))
    return prepare({ amount, condition, data: me.data(event), ...more })
  }
  return {
    who,
    me,
    id: open.id,
    accept: event as NostrEvent,
    secret,
    packet,
    money: (fields: Parameters<typeof me.money>[1]) => me.money(open.id, fields),
    pay: (fields: Parameters<typeof me.money>[1], amount: bigint, more: Partial<Packet> = {}) =>
      send(relay, packet(me.money(open.id, fields), amount, more), token),
    holds: (account: string) => balanceOf(relay.relay.store, 'USD', account),
    balance: () => balanceOf(relay.relay.store, 'USD', `viewer:${who.pubkey}`),
    escrow: () => balanceOf(relay.relay.store, 'USD', `escrow:${open.id}`),
  }
}

test('a session is opened, paid and closed by packets alone', async ({ relay }) => {
  const { me, id, secret, accept, pay, holds, balance } = await opened(relay)
  assert.is(accept.kind, kinds.StreamAccept)
  assert.is(tagValue(accept, 'asset_code'), 'USD')
  const owedBefore = await holds('rail:ilp:hub')

  const paid = await pay({ sequence: 1n, total: 200n, min: 200n }, 200n)
  assert.is(paid.code, 'fulfilled', paid.message)
  assert.equal(paid.fulfillment, me.fulfillment(secret, 1n))
  assert.is(paid.event?.kind, kinds.StreamReceipt)
  assert.is(tagValue(paid.event as NostrEvent, 'total_received'), '200')
  assert.is(await holds('rail:ilp:hub'), owedBefore - 200n)
  assert.is(await balance(), 0n, 'what came in went on into the session')

  const close = me.close(id)
  const closed = await send(relay, prepare({ condition: me.free(close), data: me.data(close) }))
  assert.is(closed.event?.kind, kinds.StreamClose)
  const [kept, back] = ['final_received', 'refunded'].map(name =>
    BigInt(tagValue(closed.event as NostrEvent, name) ?? -1),
  )
  assert.is((kept ?? 0n) + (back ?? 0n), 200n)
  assert.is(await balance(), back)
})

test('a replayed packet gets its old FULFILL and 5613 again, and is credited once', async ({
  relay,
}) => {
  const { money, packet, escrow, balance } = await opened(relay)
  const bytes = packet(money({ sequence: 1n, total: 100n, min: 90n }), 100n)
  const first = await send(relay, bytes)
  const later = await send(relay, packet(money({ sequence: 2n, total: 150n, min: 50n }), 50n))
  assert.is(later.code, 'fulfilled')
  for (let i = 0; i < 3; i++) assert.equal((await send(relay, bytes)).reply, first.reply)
  const both = await Promise.all([send(relay, bytes), send(relay, bytes)])
  for (const one of both) assert.equal(one.reply, first.reply)
  assert.is((await escrow()) + (await balance()) <= 150n, true)
  // The same promise in another amount is another packet: a hop that shaves a replay gets nothing.
  const shaved = Buffer.from(bytes)
  shaved[shaved.indexOf(Buffer.from('0000000000000064', 'hex')) + 7] = 99
  assert.is((await send(relay, shaved)).code, 'F99')
})

test('two copies of one packet at the same time are one payment', async ({ relay }) => {
  const { money, packet, holds } = await opened(relay)
  const before = await holds('rail:ilp:hub')
  const bytes = packet(money({ sequence: 1n, total: 70n, min: 70n }), 70n)
  const answers = await Promise.all([1, 2, 3, 4].map(() => send(relay, bytes)))
  for (const { code } of answers) assert.is(code, 'fulfilled')
  assert.is(await holds('rail:ilp:hub'), before - 70n)
})

test('a hop that shaves below min_receive brings nothing; above it, what arrived counts', async ({
  relay,
}) => {
  const { pay, holds, balance, escrow } = await opened(relay)
  const before = await holds('rail:ilp:hub')
  const shaved = await pay({ sequence: 1n, total: 100n, min: 98n }, 97n)
  assert.is(shaved.code, 'F04')
  assert.is(shaved.message, 'invalid: 97 arrived, min_receive is 98')
  assert.is(shaved.event?.kind, kinds.StreamFlowControl)
  assert.is(tagValue(shaved.event as NostrEvent, 'current_offset'), '0')
  assert.is(await holds('rail:ilp:hub'), before)
  assert.is(await balance(), 0n)
  assert.is(await escrow(), 0n)

  const fair = await pay({ sequence: 2n, total: 100n, min: 98n }, 98n)
  assert.is(fair.code, 'fulfilled', fair.message)
  assert.is(tagValue(fair.event as NostrEvent, 'received'), '98')
  assert.is(tagValue(fair.event as NostrEvent, 'total_received'), '98')
  const more = await pay({ sequence: 3n, total: 198n, min: 100n }, 105n)
  assert.is(tagValue(more.event as NostrEvent, 'total_received'), '198')
  assert.is(await balance(), 5n, 'what came beyond the promise stays with the viewer')
})

test('two packets for the same time: the payee takes one', async ({ relay }) => {
  const { money, packet, escrow, balance } = await opened(relay)
  const lost = packet(money({ sequence: 1n, total: 100n, min: 95n }), 100n)
  const anew = packet(money({ sequence: 2n, total: 100n, min: 95n }), 96n)
  assert.is((await send(relay, anew)).code, 'fulfilled')
  const late = await send(relay, lost)
  assert.is(late.code, 'F04')
  assert.is(late.message, 'invalid: this payment brings 4, its min_receive is 95')
  assert.is(tagValue(late.event as NostrEvent, 'current_offset'), '96')
  assert.ok((await escrow()) + (await balance()) <= 96n)
})

test('every refusal has its code, and a session that is known its 5614', async ({ relay }) => {
  const session = await opened(relay, person(), [['max_total', '3000']])
  const { money, packet, pay, me, who, secret } = session
  const stranger = payer(person(), relay.self, relay.stream.address)
  const ok = { sequence: 1n, total: 100n, min: 100n }
  const forged = { ...money(ok), sig: '0'.repeat(128) }
  const bent = { ...money(ok), content: 'x' }
  const data = (event: object) => Buffer.from(JSON.stringify(event))
  const condition = me.condition(me.fulfillment(secret, 1n))
  const steps: [string, Buffer, string, RegExp, boolean][] = [
    ['soon', packet(money(ok), 100n, { expiresInMs: 300 }), 'R00', /expires before/, false],
    ['past', packet(money(ok), 100n, { expiresInMs: -5000 }), 'R00', /expires before/, false],
    [
      'elsewhere',
      packet(money(ok), 100n, { destination: 'test.hub.sluicegate' }),
      'F02',
      /nothing else is reached here/,
      false,
    ],
    ['too much', packet(money(ok), 5001n), 'F08', /at most 5000/, false],
    ['empty', prepare({ amount: 1n, condition, data: Buffer.alloc(0) }), 'F01', /no event/, false],
    ['junk', prepare({ amount: 1n, condition, data: Buffer.from('{"a":') }), 'F01', /JSON/, false],
    ['no event', prepare({ amount: 1n, condition, data: Buffer.from('{}') }), 'F01', /id/, false],
    ['wrong id', prepare({ amount: 1n, condition, data: data(bent) }), 'F01', /hash/, false],
    ['forged', prepare({ amount: 1n, condition, data: data(forged) }), 'F01', /signature/, false],
    [
      'another author',
      prepare({ amount: 1n, condition, data: data(stranger.money(session.id, ok)) }),
      'F01',
      /only the viewer/,
      false,
    ],
    [
      'unknown session',
      prepare({ amount: 1n, condition, data: data(me.money('9'.repeat(64), ok)) }),
      'F06',
      /no session/,
      false,
    ],
    ['condition', packet(money(ok), 100n, { condition: Buffer.alloc(32) }), 'F05', /fulfil/, false],
    [
      'for another packet',
      packet(money({ ...ok, more: [['proof', 'ilp', '0'.repeat(64)]] }), 100n),
      'F05',
      /another packet/,
      false,
    ],
    [
      'no min_receive',
      packet(money({ ...ok, min: undefined }), 100n),
      'F04',
      /needs a min_receive/,
      true,
    ],
    ['nothing in it', packet(money(ok), 0n), 'F99', /the 5614 says/, true],
    [
      'a kind that no packet carries',
      prepare({ amount: 1n, condition, data: data(who.sign({ kind: 1, content: 'hi' })) }),
      'F99',
      /publish kind 1 over WebSocket/,
      false,
    ],
    ['accepted', packet(money(ok), 100n), 'fulfilled', /^$/, false],
    [
      'another digest',
      packet(money({ ...ok, total: 101n, min: 1n }), 1n),
      'F99',
      /another promise/,
      true,
    ],
    [
      'accepted',
      packet(money({ sequence: 1500n, total: 110n, min: 10n }), 10n),
      'fulfilled',
      /^$/,
      false,
    ],
    [
      'too old',
      packet(money({ sequence: 475n, total: 120n, min: 10n }), 10n),
      'F99',
      /too old/,
      true,
    ],
    [
      'the oldest that may come',
      packet(money({ sequence: 476n, total: 120n, min: 10n }), 10n),
      'fulfilled',
      /^$/,
      false,
    ],
    ['falls', packet(money({ sequence: 1501n, total: 119n, min: 1n }), 1n), 'F99', /falls/, true],
    [
      'beyond max_receive',
      packet(money({ sequence: 1501n, total: 40_000n, min: 1n }), 10n),
      'F99',
      /takes up to 3\d{4}/,
      true,
    ],
    [
      'beyond max_total',
      packet(money({ sequence: 1501n, total: 3001n, min: 1n }), 10n),
      'F07',
      /max_total is 3000/,
      true,
    ],
  ]
  for (const [name, bytes, code, sentence, hasFlow] of steps) {
    const said = await send(relay, bytes)
    assert.is(said.code, code, `${name}: ${said.code} ${said.message}`)
    assert.match(said.message, sentence, name)
    assert.is(said.event?.kind === kinds.StreamFlowControl, hasFlow, `${name}: ${said.event?.kind}`)
  }
  const over = await pay({ sequence: 1501n, total: 2000n, min: 1000n }, 1880n)
  assert.is(over.code, 'fulfilled', over.message)
})

test('open and close carry no money', async ({ relay }) => {
  const me = payer(person(), relay.self, relay.stream.address)
  const open = me.open()
  const said = await send(
    relay,
    prepare({ amount: 1n, condition: me.free(open), data: me.data(open) }),
  )
  assert.is(said.code, 'F06')
  assert.is(
    (await send(relay, prepare({ condition: Buffer.alloc(32), data: me.data(open) }))).code,
    'F05',
  )
  const cheap = me.open().tags.map(tag => (tag[0] === 'rate' ? ['rate', '9', 'second'] : [...tag]))
  const who = person()
  const offer = who.sign({ kind: kinds.StreamOpen, tags: cheap })
  const refused = await send(relay, prepare({ condition: me.free(offer), data: me.data(offer) }))
  assert.is(refused.code, 'F99')
  assert.is(refused.message, 'restricted: this stream costs 10 USD per second, you offered 9')
})

test('packets open sessions with the relay, not with a host', async ({ relay }) => {
  const [host] = relay.stream.address.split(':').slice(1)
  const me = payer(person(), host ?? '', relay.stream.address)
  const open = me.open()
  const bytes = prepare({ condition: me.free(open), data: me.data(open) })
  const { code, message } = await send(relay, bytes)
  assert.is(code, 'F99')
  assert.is(message, `restricted: packets open sessions with the relay, name ${relay.self} in p`)
})

test('an uncertain payer asks and learns; a query is never fulfilled', async ({ relay }) => {
  const { money, packet, pay, me, id } = await opened(relay)
  await pay({ sequence: 1n, total: 60n, min: 60n }, 60n)
  const query = packet(money({ sequence: 2n, total: 60n }), 0n)
  for (let i = 0; i < 2; i++) {
    const said = await send(relay, query)
    assert.is(said.code, 'F99')
    assert.is(tagValue(said.event as NostrEvent, 'current_offset'), '60')
  }
  // A query in the words of a payment that is still under way must not give its fulfillment away.
  const underWay = money({ sequence: 3n, total: 90n, min: 30n })
  assert.is((await send(relay, packet(underWay, 0n))).code, 'F99')
  assert.is((await send(relay, packet(underWay, 30n))).code, 'fulfilled')

  const close = me.close(id)
  const bytes = prepare({ condition: me.free(close), data: me.data(close) })
  const closed = await send(relay, bytes)
  assert.equal((await send(relay, bytes)).reply, closed.reply, 'closing twice is closing once')
  const late = await send(relay, packet(money({ sequence: 4n, total: 99n, min: 9n }), 9n))
  assert.is(late.code, 'F07')
  assert.equal(late.event, closed.event)
})

test('a viewer that is a peer itself needs no min_receive, for its own payments only', async ({
  relay,
}) => {
  const mine = await opened(relay, direct, [], ALICE_TOKEN)
  const paid = await mine.pay({ sequence: 1n, total: 20n }, 20n)
  assert.is(paid.code, 'fulfilled', paid.message)
  assert.is((await mine.pay({ sequence: 2n, total: 30n }, 20n)).code, 'F04')
  assert.is((await mine.pay({ sequence: 2n, total: 40n }, 15n)).code, 'fulfilled')
  const others = await opened(relay, person(), [], ALICE_TOKEN)
  assert.is((await others.pay({ sequence: 1n, total: 20n }, 20n)).code, 'F04')
})

test('TOON or JSON: the answer comes in the same', async ({ relay }) => {
  const { me, packet, money } = await opened(relay)
  const event = money({ sequence: 1n, total: 30n, min: 30n })
  const response = await post(relay, packet(event, 30n, { data: me.data(event, 'toon') }))
  const reply = Ilp.deserializeIlpReply(Buffer.from(await response.arrayBuffer()))
  assert.ok('fulfillment' in reply)
  const receipt = fromToon(reply.data.toString()) as unknown as NostrEvent
  assert.is(receipt.kind, kinds.StreamReceipt)
  assert.ok(verifyEvent(receipt as never))
})

test('a 5612 that is meant for its packet spends no balance over WebSocket', async ({ relay }) => {
  const { who, me, secret, money, packet, pay, balance } = await opened(relay)
  await pay({ sequence: 1n, total: 100n, min: 100n }, 160n)
  assert.is(await balance(), 60n)
  const condition = me.condition(me.fulfillment(secret, 2n)).toString('hex')
  const event = money({ sequence: 2n, total: 150n, min: 50n, more: [['proof', 'ilp', condition]] })
  const client = await connect(relay.url)
  try {
    assert.equal(await client.publish({ ...event, tags: event.tags.map(t => [...t]) }), [
      false,
      'restricted: this payment travels in an ILP packet, not over WebSocket',
    ])
    assert.is((await send(relay, packet(event, 50n))).code, 'fulfilled')
    // The very event that its packet has settled is answered as settled, and posts nothing.
    const [accepted] = await client.publish({ ...event, tags: event.tags.map(t => [...t]) })
    assert.ok(accepted)
    assert.is(await balance(), 60n)
    // What is left on the balance pays like any prepaid money, in its own asset.
    const prepaid = who.sign({
      kind: kinds.StreamMoney,
      tags: money({ sequence: 3n, total: 210n }).tags.map(t => [...t]),
    })
    assert.equal(await client.publish(prepaid), [true, ''])
    assert.is(await balance(), 0n)
  } finally {
    client.close()
  }
})

test('assets never mix: a session in CREDIT takes no packets, USD pays no CREDIT', async ({
  relay,
}) => {
  const credit = liveStream('b'.repeat(64), { amount: 10n, unit: 'second' })
  await relay.relay.store.transaction(tx => streams.put(tx, credit.address, credit))
  const who = person()
  const usd = await opened(relay, who)
  await usd.pay({ sequence: 1n, total: 10n, min: 10n }, 5000n)
  assert.is(await usd.balance(), 4990n)

  const me = payer(who, relay.self, credit.address)
  const open = me.open()
  const accepted = await send(relay, prepare({ condition: me.free(open), data: me.data(open) }))
  assert.is(tagValue(accepted.event as NostrEvent, 'asset_code'), 'CREDIT')
  assert.is(tagValue(accepted.event as NostrEvent, 'shared_secret'), undefined)
  const money = me.money(open.id, { sequence: 1n, total: 100n, min: 100n })
  const said = await send(
    relay,
    prepare({ amount: 100n, condition: Buffer.alloc(32), data: me.data(money) }),
  )
  assert.is(said.code, 'F06')
  assert.is(said.message, 'this session is paid in CREDIT, packets bring USD')
  const client = await connect(relay.url)
  try {
    const much = me.money(open.id, { sequence: 1n, total: 1001n })
    const [ok, msg] = await client.publish({ ...much, tags: much.tags.map(t => [...t]) })
    assert.not(ok)
    assert.match(msg, /your balance is 1000 CREDIT and this payment needs 1001/)
  } finally {
    client.close()
  }
})

test('the JSON boundary of ILP-gated relays answers as packets are answered', async ({ relay }) => {
  const { me, money, secret } = await opened(relay)
  const hand = async (body: object, path = '/handle-packet', token = HUB_TOKEN) => {
    const response = await post(relay, JSON.stringify(body), token, path)
    return { status: response.status, said: (await response.json()) as Record<string, unknown> }
  }
  const event = money({ sequence: 1n, total: 100n, min: 98n })
  const body = {
    destination: ADDRESS,
    data: me.data(event, 'toon').toString('base64'),
    sourceAccount: 'hub',
  }
  const shaved = await hand({ ...body, amount: '97' })
  assert.is(shaved.said.accept, false)
  assert.is(shaved.said.code, 'F04')
  assert.equal(shaved.said.metadata, { required: '98', received: '97' })
  const taken = await hand({ ...body, amount: 100 }, '/handle-payment')
  assert.is(taken.said.accept, true, String(taken.said.message))
  assert.is(taken.said.fulfillment, me.fulfillment(secret, 1n).toString('base64'))
  assert.equal(await hand({ ...body, amount: '100' }), taken, 'again, and posted once')
  assert.is((await hand({ ...body, amount: '-1' })).said.code, 'F00')
  assert.is((await hand({ ...body, amount: '1' }, '/handle-packet', 'x')).status, 401)
})

test('who has no token, or sends no packet, hears so', async ({ relay }) => {
  assert.is((await post(relay, Buffer.of(1), 'not-a-token')).status, 401)
  assert.is((await fetch(`${relay.http}/ilp`, { method: 'POST' })).status, 401)
  const junk = await post(relay, Buffer.of(12, 1, 0))
  assert.is(junk.status, 400)
  assert.equal(await junk.json(), { error: 'the packet ends too early' })
  const fulfill = Ilp.serializeIlpFulfill({ fulfillment: Buffer.alloc(32), data: Buffer.alloc(0) })
  assert.is((await post(relay, fulfill)).status, 400)
  assert.is((await post(relay, Buffer.alloc(70_000))).status, 413)
})

test('kind 10032 and NIP-11 say how to pay', async ({ relay }) => {
  const client = await connect(relay.url)
  try {
    const [info] = await client.req('peers', { kinds: [10032], authors: [relay.self] })
    assert.equal(JSON.parse(info?.content ?? ''), {
      ilpAddress: ADDRESS,
      btpEndpoint: `${relay.url}/ilp/btp`,
      assetCode: 'USD',
      assetScale: 6,
    })
  } finally {
    client.close()
  }
  const response = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  const { payment_rails } = (await response.json()) as { payment_rails: object[] }
  assert.equal(payment_rails[1], {
    id: 'ilp',
    finality: 'instant',
    asset: 'USD',
    scale: 6,
    redeemable: false,
  })
})

test.run()
