import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RelayRefused, RelayTimeout } from '../../client/errors.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient, type RelayClientOptions } from '../../client/relay-client.ts'
import { kinds, type NostrEvent } from '../../events/index.ts'
import { type WireServer, wireServer } from './wire-server.ts'

const test = suite<{ server: WireServer; clients: RelayClient[] }>('relay client')
const signer = new LocalSigner(generateSecret())

test.before.each(async context => {
  context.server = await wireServer(await signer.pubkey())
  context.clients = []
})
test.after.each(async ({ server, clients }) => {
  for (const client of clients) client.close()
  await server.close()
})

function connect(
  { server, clients }: { server: WireServer; clients: RelayClient[] },
  options: Partial<RelayClientOptions> = {},
): RelayClient {
  const client = new RelayClient(server.url, {
    connect: connectNode,
    signer,
    random: () => 0,
    ...options,
  })
  clients.push(client)
  return client
}

const note = (content: string, createdAt = Math.floor(Date.now() / 1000)): Promise<NostrEvent> =>
  signer.sign({ kind: kinds.Note, created_at: createdAt, tags: [], content })

async function until(condition: () => boolean, ms = 3000): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (condition()) return
  assert.unreachable(`it did not happen in ${ms} ms`)
}

test('publish resolves with OK true and rejects with the sentence of OK false', async context => {
  const client = connect(context)
  await client.publish(await note('hello'))
  context.server.onEvent = () => 'restricted: not today'
  try {
    await client.publish(await note('again'))
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayRefused)
    assert.is((error as RelayRefused).prefix, 'restricted')
    assert.is((error as RelayRefused).message, 'Not today.')
  }
})

test('a relay that does not answer is a timeout, not a wait for ever', async context => {
  context.server.silent = true
  const client = connect(context, { timeoutMs: 50 })
  try {
    await client.publish(await note('anybody?'))
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayTimeout)
  }
})

test('AUTH is answered when it is first asked for, for events and for subscriptions', async context => {
  context.server.needsAuth = true
  const client = connect(context)
  const seen: NostrEvent[] = []
  client.subscribe([{ kinds: [kinds.Note] }], { onEvent: event => seen.push(event) })
  const event = await note('signed in')
  await client.publish(event)
  await until(() => seen.some(({ id }) => id === event.id))
  assert.is(context.server.authed.size, 1)
})

test('strfry’s "ERROR: auth-required:" asks for AUTH too, and its "ERROR:" is not for people', async context => {
  Object.assign(context.server, { needsAuth: true, likeStrfry: true })
  context.server.stored.push(await note('private'))
  const client = connect(context)
  assert.is((await client.query([{ kinds: [kinds.Note] }])).length, 1)
  assert.is(context.server.authed.size, 1)
  context.server.refuseReads = 'bad req: unrecognised filter item'
  const error = await client.query([{ kinds: [kinds.Note] }]).then(
    () => undefined,
    e => e,
  )
  assert.is(error?.message, 'Bad req: unrecognised filter item.')
})

test('a relay that wants no AUTH is not given one', async context => {
  const client = connect(context)
  await client.publish(await note('nobody asked'))
  assert.is(context.server.authed.size, 0)
})

test('without a key a private subscription ends with the relay’s reason', async context => {
  context.server.needsAuth = true
  const client = connect(context, { signer: undefined })
  const error = await new Promise<RelayRefused>(resolve =>
    client.subscribe([{ kinds: [kinds.Note] }], { onEvent() {}, onClosed: resolve }),
  )
  assert.is(error.prefix, 'auth-required')
})

test('a lost connection loses no event and brings none twice', async context => {
  const client = connect(context)
  const seen: string[] = []
  let eoses = 0
  client.subscribe([{ kinds: [kinds.Note] }], {
    onEvent: event => seen.push(event.content),
    onEose: () => {
      eoses += 1
    },
  })
  await client.publish(await note('before'))
  await until(() => seen.length === 1)
  context.server.drop()
  context.server.put(await note('meanwhile'))
  await until(() => seen.length === 2)
  await client.publish(await note('after'))
  await until(() => seen.length === 3)
  assert.equal(seen, ['before', 'meanwhile', 'after'])
  assert.is(eoses, 1)
})

test('what had no OK when the connection was lost is sent again', async context => {
  const client = connect(context)
  await client.publish(await note('warm'))
  context.server.silent = true
  const answer = client.publish(await note('unanswered'))
  await sleep(50)
  context.server.silent = false
  context.server.drop()
  await answer
  assert.is(context.server.received.at(-1)?.content, 'unanswered')
})

test('AUTH is given anew on a new connection', async context => {
  context.server.needsAuth = true
  const client = connect(context)
  const seen: string[] = []
  client.subscribe([{ kinds: [kinds.Note] }], { onEvent: event => seen.push(event.content) })
  await client.publish(await note('one'))
  await until(() => seen.length === 1)
  context.server.drop()
  await until(() => context.server.authed.size === 1)
  await client.publish(await note('two'))
  await until(() => seen.length === 2)
})

test('a forged event is not delivered, unless the relay is trusted', async context => {
  const forged = { ...(await note('mine')), content: 'not mine' }
  const [doubting, trusting]: [string[], string[]] = [[], []]
  const filters = [{ kinds: [kinds.Note] }]
  connect(context).subscribe(filters, { onEvent: event => doubting.push(event.content) })
  connect(context, { trusted: true }).subscribe(filters, {
    onEvent: event => trusting.push(event.content),
  })
  await sleep(50)
  context.server.put(forged)
  context.server.put(await note('true'))
  await until(() => doubting.length === 1 && trusting.length === 2)
  assert.equal(doubting, ['true'])
})

test('query gives the stored events', async context => {
  const client = connect(context)
  context.server.put(await note('kept'))
  const events = await client.query([{ kinds: [kinds.Note] }])
  assert.equal(
    events.map(({ content }) => content),
    ['kept'],
  )
})

test('a local key shows its secret to no log', () => {
  const secret = generateSecret()
  const shown = JSON.stringify(new LocalSigner(secret)) + String(new LocalSigner(secret))
  assert.not.match(shown, secret)
  assert.throws(() => new LocalSigner('nonsense'), 'This is not a secret key.')
})

test.run()
