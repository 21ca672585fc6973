/** Webhooks doubled, reordered, late and forged; polls where there are none; recordings. */
import { createHmac, randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { phaseOf } from '../../plugins/live-stream/lifecycle.ts'
import type { ProviderLedger } from '../../plugins/live-stream/livepeer/ledger.ts'
import { webhookRoute } from '../../plugins/live-stream/livepeer/webhook.ts'
import type { RelayHttp } from '../../plugins/plugin.ts'
import { tag } from '../flows/independent.ts'
import { startPublisher } from '../media/publisher.ts'
import { signature, type Webhook } from './cannon.ts'
import { type Provider, provider, until } from './provider.ts'
import { hostGrant, idOf, type LivepeerRelay, livepeerRelay, Person, say } from './relay.ts'
import type { LivepeerServer } from './server.ts'

interface Context {
  provider: Provider
  server: LivepeerServer
  relay: LivepeerRelay
  host: Person
  hook: Webhook
}
const test = suite<Context>("the provider's webhooks")

test.before(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  context.provider = await provider()
  if (!context.provider.own) throw new Error('webhooks are staged on our own server')
  context.server = context.provider.own
  context.relay = await livepeerRelay(context.provider, [
    'liveStream.livepeer.record=true',
    // Nothing here is to come from a poll.
    'liveStream.livepeer.pollWithWebhooksSeconds=3600',
  ])
  const [hook] = context.server.account.webhooks.values()
  if (!hook) throw new Error('no webhook')
  context.hook = hook
  context.host = await Person.connect(context.relay.url)
})
test.after(async ({ relay, server, host }) => {
  host.close()
  await relay.stop()
  await server.close()
})

/** A stream of ours there, and what happens to it. */
async function scene({ host, server, relay, hook }: Context, d: string) {
  const address = await say(host, d, 'planned')
  const grant = await hostGrant(host, address)
  const stream = server.streams().find(one => one.streamKey === grant.ingest.rtmp.key)
  if (!stream) throw new Error('there is no such stream at the provider')
  const occurrence = (event: string, createdAt: number) => ({
    id: randomUUID(),
    createdAt,
    event,
    stream: { id: stream.id, name: stream.name },
  })
  return {
    address,
    grant,
    stream,
    occurrence,
    active: async () => (await relay.record(idOf(grant)))?.active,
    send: (what: ReturnType<typeof occurrence>, forge = {}) =>
      server.cannon.deliver(hook, what, forge),
  }
}

test('started and idle move it once each; a doubled delivery is answered and changes nothing', async context => {
  const { occurrence, send, active } = await scene(context, 'doubled')
  const now = Date.now()
  const [started, idle] = [occurrence('stream.started', now), occurrence('stream.idle', now + 1)]
  assert.is(await send(started), 200)
  assert.is(await active(), true)
  assert.is(await send(idle), 200)
  assert.is(await active(), false)
  assert.is(await send(started), 200)
  assert.is(await send(idle), 200)
  assert.is(await active(), false)
})

test('what happened earlier does not undo what happened later, also a day late', async context => {
  const { occurrence, send, active } = await scene(context, 'reordered')
  const now = Date.now()
  await send(occurrence('stream.idle', now))
  await send(occurrence('stream.started', now - 1))
  assert.is(await active(), false, 'it had started before it went idle')
  await send(occurrence('stream.started', now + 5))
  assert.is(await active(), true)
  for (const late of [86_400_000, 10 * 86_400_000])
    assert.is(await send(occurrence('stream.idle', now - late)), 200)
  assert.is(await active(), true, 'an end of yesterday ends nothing today')
  await send(occurrence('stream.idle', now + 6))
})

test('forged, altered, old and unsigned deliveries are refused and change nothing', async context => {
  const { occurrence, send, active } = await scene(context, 'forged')
  const started = () => occurrence('stream.started', Date.now())
  const old = Date.now() - 10 * 60_000
  assert.is(await send(started(), { secret: 'not the secret' }), 401)
  assert.is(await send(started(), { t: Date.now() - 1000 }), 401, 't is not the signed time')
  assert.is(await send(started(), { timestamp: old }), 401, 'a replay of an old one')
  assert.is(await send(started(), { timestamp: old, t: Date.now() }), 401)
  const post = (body: string, header?: string) =>
    fetch(context.hook.url, {
      method: 'POST',
      body,
      headers: header ? { 'livepeer-signature': header } : {},
    }).then(response => response.status)
  const signed = (body: string) => signature(body, context.server.webhookSecret, Date.now())
  assert.is(await post('{}'), 401)
  assert.is(await post('{}', 't=1,v1='), 401)
  assert.is(await post('{}', `t=1,v1=${'0'.repeat(64)}`), 401)
  for (const body of ['', 'no json', '{"id":1}', '[]', '{"__proto__":{}}'])
    assert.is(await post(body, signed(body)), 400, body)
  const large = JSON.stringify({ pad: 'x'.repeat(1 << 20) })
  assert.is(await post(large, signed(large)), 413)
  assert.is(await active(), false)
})

test('a stream that is not ours is answered and forgotten', async ({ server, hook }) => {
  const stream = { id: randomUUID(), name: 'somebody else' }
  const event = { id: randomUUID(), createdAt: Date.now(), event: 'stream.started', stream }
  assert.is(await server.cannon.deliver(hook, event), 200)
})

test('our own failure is a 500, so that the delivery comes again', async () => {
  const app = new Hono() as unknown as RelayHttp
  const broken = {
    webhook: () => Promise.reject(new Error('disk full')),
  } as unknown as ProviderLedger
  app.onError((_, c) => c.json({ error: 'later' }, 500))
  webhookRoute({ clock: { now: Date.now }, secret: 's', ledger: broken, act() {} })(app)
  const timestamp = Date.now()
  const body = JSON.stringify({ id: 'x', createdAt: timestamp, timestamp, event: 'stream.idle' })
  const v1 = createHmac('sha256', 's').update(body).digest('hex')
  const response = await app.request('/webhooks/livepeer', {
    method: 'POST',
    body,
    headers: { 'livepeer-signature': `t=${timestamp},v1=${v1}` },
  })
  assert.is(response.status, 500)
})

test('real media with doubled and reordered webhooks is live once and ends once', async context => {
  const { host, server, relay } = context
  const { address, grant } = await scene(context, 'real')
  server.cannon.copies(2)
  const { server: rtmp, key } = grant.ingest.rtmp
  const status = async () => (await relay.stream(address))?.status
  let publisher = startPublisher({ url: `${rtmp}/${key}` })
  try {
    await until('live', async () => (await status()) === 'live')
    server.cannon.hold()
    await publisher.kill()
    await until('idle occurred', () => !server.streams().some(one => one.isActive))
    publisher = startPublisher({ url: `${rtmp}/${key}` })
    await until('active again', () => server.streams().some(one => one.isActive))
    const back = Date.now()
    // What started again comes before what had ended.
    for (const occurrence of server.cannon.release().reverse()) server.cannon.emit(occurrence)
    // Its first recording may be ready by now, or not: it is not told before the stream has ended.
    await until('new media', async () => {
      const now = await relay.stream(address)
      return now?.status === 'live' && (now.seenAt ?? 0) > back
    })
    await publisher.stop()
    await until('not live', async () => (await status()) === 'reconnecting')
    const told = await host.next({ kinds: [30311], '#a': [address], authors: [relay.relay.self] })
    assert.is(tag(told, 'recording'), undefined, 'it has not ended')
  } finally {
    server.cannon.copies(1)
    await publisher.kill()
  }

  // Its recording is announced, and then nothing of it stays.
  const before = server.streams().length
  await say(host, 'real', 'ended')
  const over = await host.next(
    { kinds: [30311], '#a': [address], authors: [relay.relay.self] },
    event => tag(event, 'recording') !== undefined,
    30_000,
  )
  assert.is(tag(over, 'status'), 'ended')
  const recorded = await relay.stream(address)
  assert.is(recorded && phaseOf(recorded), 'recorded')
  const recording = tag(over, 'recording') ?? ''
  assert.ok(recording.startsWith(`${server.base}/`), 'absolute, whatever the webhook said')
  assert.match(await (await fetch(recording)).text(), /#EXTM3U[\s\S]*#EXT-X-ENDLIST/)
  await until('one fewer there', () => server.streams().length === before - 1)
})

test('a webhook whose answer fails is delivered again and then counts', async context => {
  const { server, hook } = context
  const { occurrence, active } = await scene(context, 'again')
  const closed = { ...hook, id: 'dead', url: 'http://127.0.0.1:1/' }
  assert.is(await server.cannon.deliver(closed, occurrence('stream.started', Date.now())), 0)
  assert.is(await active(), false)
  server.cannon.emit(occurrence('stream.started', Date.now()))
  await until('taken', active)
})

test.run()
