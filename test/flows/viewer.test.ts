/** The viewer's and the host's side through an independent client (independent.ts), by docs/events.md alone. */
import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startRelay, type TestRelay } from '../harness.ts'
import { decodeVideo } from '../media/decode.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'
import {
  announce,
  get,
  type HostGrant,
  now,
  PaymentSession,
  Person,
  tag,
  walk,
} from './independent.ts'

interface Context {
  relay: TestRelay
  host: Person
  viewer: Person
  address: string
  grant: HostGrant
  publisher: Publisher
  /** Everything that the relay logged. */
  log: string[]
  token: string
}

const test = suite<Context>('a paid stream')
const price: [string, string] = ['50', 'second']

test.before(async context => {
  const write = (fields: object, text: string) =>
    void context.log.push(JSON.stringify([fields, text]))
  context.log = []
  context.relay = await startRelay({
    log: { debug: write, info: write, warn: write, error: write },
    set: ['liveStream.ghostSeconds=3', 'paymentStream.graceSeconds=1'],
  })
  context.host = await Person.connect(context.relay.url)
  context.viewer = await Person.connect(context.relay.url)
  const { address, grant } = await announce(context.host, 'show', [...price, 'CREDIT'])
  context.address = address
  context.grant = grant
  const { server, key } = grant.ingest.rtmp
  context.publisher = startPublisher({ url: `${server}/${key}` })
})
test.after(async ({ relay, host, viewer, publisher }) => {
  await publisher?.kill()
  host?.close()
  viewer?.close()
  await relay?.stop()
})

test('media flowing is announced as live by the relay itself', async ({
  host,
  viewer,
  address,
  relay,
}) => {
  const live = await viewer.next(
    { kinds: [30311], '#a': [address] },
    e => tag(e, 'status') === 'live',
  )
  assert.is(live.pubkey, relay.relay.self)
  assert.is(tag(live, 'p'), host.pubkey)
  assert.is(tag(live, 'title'), 'Stream show')
})

test('without a payment the public URL says what it costs', async ({ grant, address }) => {
  const answer = await get(grant.playbackUrl)
  assert.is(answer.status, 402)
  const body = JSON.parse(answer.text)
  assert.is(body.stream, address)
  assert.equal(body.price, {
    amount: '50',
    unit: 'second',
    asset: 'CREDIT',
    text: '50 CREDIT per second',
  })
})

test('a rate below the price is refused with the price', async ({ viewer, relay, address }) => {
  const refused = PaymentSession.open(viewer, relay.relay.self, address, ['49', 'second'])
  const why = await refused.then(() => '', String)
  assert.match(why, /restricted: this stream costs 50 CREDIT per second, you offered 49/)
})

test('who pays watches; who stops is refused at the next segment', async context => {
  const { viewer, relay, address } = context
  const session = await PaymentSession.open(viewer, relay.relay.self, address, price)
  assert.is(tag(session.accepted, 'status'), 'accepted')
  const receipt = await session.pay(150n)
  assert.is(tag(receipt, 'total_received'), '150')
  const grant = await session.grant()
  context.token = grant.token

  const { status, init, segments, master } = await walk(grant.playbackUrl)
  assert.is(status, 200)
  assert.match(master ?? '', /CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2"/)
  const [head, body] = await Promise.all([get(init ?? ''), get(segments.at(-1) ?? '')])
  const { frames, width } = await decodeVideo(Buffer.concat([head.body, body.body]))
  assert.ok(frames >= 30, `${frames} frames`)
  assert.is(width, 640)

  const paidUntil = Number(tag(receipt, 'paid_until'))
  assert.ok(Math.abs(paidUntil - now() - 3) <= 2, `paid until ${paidUntil}, now ${now()}`)
  await sleep((paidUntil + 2.5) * 1000 - Date.now())
  for (const url of [grant.playbackUrl, segments.at(-1) ?? '']) {
    const answer = await get(url)
    assert.is(answer.status, 402, url.slice(-20))
    assert.type(JSON.parse(answer.text).error, 'string')
  }
  await session.pay(100n)
  assert.is((await walk(grant.playbackUrl)).status, 200, 'a payment resumes it')
  await session.close()
  assert.is((await get(grant.playbackUrl)).status, 402, 'closed is closed')
})

test('tokens that are forged, foreign or for another path open nothing', async ({
  relay,
  grant,
}) => {
  const base = `${relay.http}/p`
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const none = `${part({ alg: 'none', kid: relay.relay.self })}.${part({ iss: relay.relay.self })}.`
  for (const token of [none, 'a.b.c', 'x'.repeat(3000)])
    assert.ok(
      [401, 404].includes((await get(`${base}/${token}/master.m3u8`)).status),
      token.slice(0, 20),
    )
  const id = grant.playbackUrl.split('/p/')[1]?.split('/')[0]
  for (const path of ['source/..%2f..%2frelay.key', 'source/%00.m4s', 'a/b/c.m3u8', 'relay.key'])
    assert.ok([400, 404].includes((await get(`${base}/${id}/${path}`)).status), path)
})

test('nobody but the relay issues grants, and nobody else reads them', async ({
  viewer,
  host,
  address,
}) => {
  const forged = viewer.publish({
    kind: 5650,
    tags: [['p', viewer.pubkey], ['a', address], ['role', 'viewer'], ['-']],
    content: 'x',
  })
  assert.match(await forged.then(() => '', String), /restricted: grants are issued by this relay/)
  const stolen = viewer.next({ kinds: [5650], '#p': [host.pubkey] }, () => true, 1500)
  assert.match(await stolen.then(() => '', String), /restricted:|no event/)
})

test('a wrong stream key and garbage on the RTMP port change nothing', async ({ relay, grant }) => {
  const { server, key } = grant.ingest.rtmp
  const wrong = startPublisher({ url: `${server}/${'0'.repeat(key.length)}`, seconds: 2 })
  assert.is.not(await wrong.exited, 0)
  const port = Number(new URL(server).port)
  for (const bytes of [
    Buffer.alloc(4000, 0xff),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(3073, 3),
  ]) {
    const socket = connectTcp(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(bytes)
    await sleep(200)
    socket.destroy()
  }
  assert.is((await get(`${relay.http}/healthz`)).status, 200)
})

test('a stream whose media stopped is ended, never left live', async ({
  viewer,
  publisher,
  address,
}) => {
  const since = now()
  await publisher.kill()
  const over = await viewer.next(
    { kinds: [30311], '#a': [address], since },
    event => tag(event, 'status') === 'ended',
    15_000,
  )
  assert.ok(tag(over, 'ends'))
})

test('no stream key, token or secret is in the log', async ({ log, grant, token, relay }) => {
  const everything = log.join('\n')
  assert.ok(everything.includes('publishing'), 'the log was looked at')
  const relayKey = readFileSync(join(relay.dir, 'relay.key'), 'utf8').trim()
  for (const secret of [grant.ingest.rtmp.key, token, relayKey]) {
    assert.ok(secret.length >= 32)
    assert.not(everything.includes(secret))
  }
})

test.run()
