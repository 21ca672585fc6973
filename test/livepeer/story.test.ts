/**
 * The whole story of a paid stream with media = "livepeer": real media through the provider and our gateway. Runs against
 * a real server where LIVEPEER_BASE_URL and LIVEPEER_API_KEY are set, else against our own.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  announce,
  get,
  type HostGrant,
  now,
  PaymentSession,
  Person,
  tag,
  walk,
} from '../flows/independent.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { decodeVideo } from '../media/decode.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'
import { type Provider, provider, until } from './provider.ts'

interface Context {
  provider: Provider
  relay: TestRelay
  host: Person
  viewer: Person
  address: string
  grant: HostGrant
  publisher: Publisher
  log: string[]
  token: string
}

const test = suite<Context>('a paid stream through livepeer')
const price: [string, string] = ['50', 'second']

test.before(async context => {
  const write = (fields: object, text: string) =>
    void context.log.push(JSON.stringify([fields, text]))
  context.log = []
  context.provider = await provider()
  Object.assign(process.env, context.provider.env)
  context.relay = await startRelay({
    log: { debug: write, info: write, warn: write, error: write },
    set: [
      ...context.provider.set,
      'liveStream.ghostSeconds=5',
      'paymentStream.graceSeconds=1',
      'liveStream.livepeer.record=true',
    ],
  })
  context.provider.own?.hookTo(`${context.relay.http}/webhooks/livepeer`)
  context.host = await Person.connect(context.relay.url)
  context.viewer = await Person.connect(context.relay.url)
  const began = performance.now()
  const { address, grant } = await announce(context.host, 'show', [...price, 'CREDIT'])
  console.log(`announcement -> ingest details: ${Math.round(performance.now() - began)} ms`)
  context.address = address
  context.grant = grant
})
test.after(async ({ relay, host, viewer, publisher, provider }) => {
  await publisher?.kill()
  host?.close()
  viewer?.close()
  await relay?.stop()
  await provider?.close()
})

test("the host's key is the provider's, and there is one stream for it", async context => {
  const { server, key } = context.grant.ingest.rtmp
  assert.is(server, context.provider.rtmpUrl)
  const id = context.grant.playbackUrl.split('/p/')[1]?.split('/')[0] ?? '-'
  const mine = (await context.provider.names()).filter(name => name.endsWith(id))
  assert.is(mine.length, 1)
  const own = context.provider.own?.streams()[0]
  if (!own) return
  assert.is(own.streamKey, key)
  assert.equal(
    own.profiles.map(one => one.name),
    ['1080p', '720p', '480p'],
  )
  assert.is(own.playbackPolicy?.type, 'jwt')
})

test('media flowing is announced as live by the relay itself', async context => {
  const { server, key } = context.grant.ingest.rtmp
  context.publisher = startPublisher({ url: `${server}/${key}` })
  await context.publisher.publishing
  const began = performance.now()
  const live = await context.viewer.next(
    { kinds: [30311], '#a': [context.address] },
    event => tag(event, 'status') === 'live',
    60_000,
  )
  console.log(`media flowing -> live announced: ${Math.round(performance.now() - began)} ms`)
  assert.is(live.pubkey, context.relay.relay.self)
  assert.is(tag(live, 'streaming'), context.grant.playbackUrl)
})

test('without a payment the public URL says what it costs', async ({ grant, address }) => {
  const answer = await get(grant.playbackUrl)
  assert.is(answer.status, 402)
  assert.is(JSON.parse(answer.text).stream, address)
})

test('who pays watches through the gateway; who stops is refused at the next segment', async context => {
  const { viewer, relay, address, provider } = context
  const session = await PaymentSession.open(viewer, relay.relay.self, address, price)
  const receipt = await session.pay(150n)
  const grant = await session.grant()
  context.token = grant.token
  const { status, segments, master, text } = await walk(grant.playbackUrl)
  assert.is(status, 200)
  for (const playlist of [master ?? '', text])
    assert.not.match(playlist, /https?:|jwt|\/\//, 'no address of the provider is told')
  assert.not((master ?? '').includes(new URL(provider.serverUrl).host))
  const media = await get(segments.at(-1) ?? '')
  assert.is(media.status, 200)
  const { frames, width } = await decodeVideo(media.body)
  assert.ok(frames >= 30, `${frames} frames`)
  assert.is(width, 640)

  const paidUntil = Number(tag(receipt, 'paid_until'))
  assert.ok(Math.abs(paidUntil - now() - 3) <= 2, `paid until ${paidUntil}, now ${now()}`)
  await sleep((paidUntil + 2.5) * 1000 - Date.now())
  for (const url of [grant.playbackUrl, segments.at(-1) ?? ''])
    assert.is((await get(url)).status, 402, url.slice(-20))
  await session.pay(100n)
  assert.is((await walk(grant.playbackUrl)).status, 200, 'a payment resumes it')
  await session.close()
  assert.is((await get(grant.playbackUrl)).status, 402, 'closed is closed')
})

test('a publisher who comes back within the grace period goes on where it stopped', async context => {
  const { server, key } = context.grant.ingest.rtmp
  const metrics = async () => (await get(`${context.relay.http}/metrics`)).text
  await context.publisher.kill()
  await until('reconnecting', async () =>
    /sluice_streams\{status="reconnecting"\} 1/.test(await metrics()),
  )
  context.publisher = startPublisher({ url: `${server}/${key}` })
  await until('live again', async () => /sluice_streams\{status="live"\} 1/.test(await metrics()))
})

test('a stream whose media stopped is ended; its key stays for a host who returns', async context => {
  const since = now()
  await context.publisher.stop()
  const over = await context.viewer.next(
    { kinds: [30311], '#a': [context.address], since },
    event => tag(event, 'status') === 'ended',
    120_000,
  )
  assert.ok(tag(over, 'ends'))
  assert.is(
    tag(over, 'recording'),
    undefined,
    'the recording of a paid stream is not for everybody',
  )
})

test('no stream key, token or secret is in the log', async ({ log, grant, token, provider }) => {
  const everything = log.join('\n')
  assert.ok(everything.includes('stream is ready'), 'the log was looked at')
  for (const secret of [grant.ingest.rtmp.key, token, ...Object.values(provider.env)]) {
    assert.ok(secret.length >= 16)
    assert.not(everything.includes(secret))
  }
})

test('the host ends it, and nothing stays at the provider once its recording is ready', async context => {
  await context.host.publish({
    kind: 30311,
    tags: [
      ['d', 'show'],
      ['title', 'Stream show'],
      ['status', 'ended'],
      ['price', ...price, 'CREDIT'],
    ],
    content: '',
    created_at: now() + 1,
  })
  const id = context.grant.playbackUrl.split('/p/')[1]?.split('/')[0] ?? '-'
  const gone = async () => !(await context.provider.names()).some(name => name.endsWith(id))
  await until('no stream at the provider', gone, 60)
})

test.run()
