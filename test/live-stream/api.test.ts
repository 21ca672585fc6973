/** The HTTP API for hosts' tools, against the OpenAPI document that it serves itself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { now, Person, tag } from '../flows/independent.ts'
import { person, startRelay, type TestRelay } from '../harness.ts'
import { client } from '../media/rtmp-client.ts'
import { call, proofFor } from './http.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document and the answers are read as any tool reads them
type Json = any

interface Context {
  relay: TestRelay
  host: Person
  document: Json
  root: string
}
const test = suite<Context>("the API of a host's streams")

test.before(async context => {
  context.relay = await startRelay({ set: ['liveStream.maxStreamsPerHost=3'] })
  context.root = `${context.relay.http}/api/v1/streams`
  context.host = await Person.connect(context.relay.url)
  context.document = await (await fetch(`${context.relay.http}/api/v1/openapi.json`)).json()
})
test.after(async ({ relay, host }) => {
  host.close()
  await relay.stop()
})

const announcement = (host: Person, d: string, status = 'planned', created_at = now()) =>
  host.sign({
    kind: 30311,
    created_at,
    tags: [
      ['d', d],
      ['title', `Stream ${d}`],
      ['status', status],
    ],
    content: '',
  })

/** Asks as the document says, and holds the answer against it. */
async function ask(
  { document, relay, host }: Context,
  operationId: string,
  options: {
    id?: string
    target?: string
    query?: string
    body?: unknown
    who?: { secret: Uint8Array }
  } = {},
) {
  const [[path = '', method = '', operation] = []] = Object.entries<Json>(document.paths).flatMap(
    ([path, methods]) =>
      Object.entries<Json>(methods)
        .filter(([, one]) => one.operationId === operationId)
        .map(([method, one]) => [path, method, one]),
  )
  assert.ok(operation, `${operationId} is in the document`)
  const url = `${relay.http}${path.replace('{id}', options.id ?? '').replace(/\{target\}|\{recording\}/, options.target ?? '')}${options.query ?? ''}`
  const answer = await call(options.who ?? host, method.toUpperCase(), url, options.body)
  const said = operation.responses[answer.status]
  assert.ok(said, `${operationId} may answer ${answer.status}: ${JSON.stringify(answer.body)}`)
  const [[type = '', { schema = {} } = {}] = []] = Object.entries<Json>(said.content ?? {})
  assert.is(answer.type.split(';')[0], type)
  if (type) {
    const shape = schema.$ref ? document.components.schemas.Problem : schema
    const read = z.fromJSONSchema(shape).safeParse(answer.body)
    assert.ok(read.success, `${operationId} ${answer.status}: ${read.error?.message}`)
  }
  return answer
}

const create = (context: Context, d: string, host = context.host) =>
  ask(context, 'createStream', { body: { event: announcement(host, d) }, who: host })

test('a stream that a tool makes is one with that of the event, ingest details and all', async context => {
  const { host, relay } = context
  const event = announcement(host, 'tool')
  const { status, body } = await ask(context, 'createStream', { body: { event } })
  assert.is(status, 201)
  assert.is(body.address, `30311:${host.pubkey}:tool`)
  assert.is(body.phase, 'planned')
  const stored = await host.next({ kinds: [30311], authors: [host.pubkey], '#d': ['tool'] })
  assert.is(stored.id, event.id, 'everybody sees the announcement')
  const granted = await host.next({ kinds: [5650], '#p': [host.pubkey], '#a': [body.address] })
  assert.equal(host.decrypt<Json>(granted), {
    ingest: body.ingest,
    playbackUrl: body.playbackUrl,
  })
  // The other way round: one by event is one of the API.
  await host.publish({ ...announcement(host, 'event'), tags: announcement(host, 'event').tags })
  for (let i = 0; i < 50; i++) {
    const { body: list } = await ask(context, 'listStreams')
    const found = list.streams.find((one: Json) => one.address === `30311:${host.pubkey}:event`)
    if (found?.phase === 'planned') {
      const seen = await ask(context, 'getStatus', { id: found.id })
      assert.ok(seen.body.ingest.rtmp.key)
      break
    }
    assert.ok(i < 49, 'it never came')
    await sleep(100)
  }
  assert.is((await fetch(body.playbackUrl)).status, 404, 'nothing plays yet')
  assert.ok(relay.relay.self)
})

test('the same announcement twice is one stream', async context => {
  const event = announcement(context.host, 'twice')
  const first = await ask(context, 'createStream', { body: { event } })
  const second = await ask(context, 'createStream', { body: { event } })
  assert.is(second.status, 201)
  assert.equal(second.body.ingest, first.body.ingest)
  await ask(context, 'stopStream', { id: first.body.id })
})

test("another's event, another kind, a wrong signature, an old one and one too many are problems", async context => {
  const { host, relay } = context
  const other = await Person.connect(relay.url)
  const problem = async (event: object, status: number, detail: RegExp, who = host) => {
    const answer = await ask(context, 'createStream', { body: { event }, who })
    assert.is(answer.status, status, answer.body.detail)
    assert.is(answer.body.status, status)
    assert.match(answer.body.detail, detail)
  }
  await problem(announcement(host, 'x'), 403, /same key/, other)
  await problem(host.sign({ kind: 1, tags: [], content: 'hi' }), 422, /kind 30311/)
  await problem({ ...announcement(host, 'x'), content: 'y' }, 422, /hash/)
  await problem(announcement(host, ''), 422, /non-empty d/)
  await problem(announcement(host, 'old', 'planned', now() - 7200), 422, /starts no stream/)
  await problem(announcement(host, 'over', 'ended'), 422, /starts no stream/)
  const more = await Promise.all(['a', 'b', 'c'].map(d => create(context, d, other)))
  assert.equal(
    more.map(({ status }) => status),
    [201, 201, 201],
  )
  await problem(announcement(other, 'd'), 403, /3 streams open/, other)
  const body = { event: { id: 'x' } }
  assert.is((await ask(context, 'createStream', { body })).status, 400)
  other.close()
})

test('stop ends it for everybody, and its key is refused; start takes it up again with the same key', async context => {
  const { host, relay } = context
  const { body: made } = await create(context, 'stop')
  const stopped = await ask(context, 'stopStream', { id: made.id })
  assert.is(stopped.body.phase, 'ended')
  const said = await host.next(
    { kinds: [30311], authors: [relay.relay.self], '#a': [made.address] },
    event => tag(event, 'status') === 'ended',
  )
  assert.is(tag(said, 'a'), made.address, "the host's own announcement still says planned")
  assert.is((await ask(context, 'changeKey', { id: made.id })).status, 409)
  const started = await ask(context, 'startStream', { id: made.id })
  assert.is(started.body.phase, 'planned')
  assert.equal(started.body.ingest, made.ingest, 'one key for one address')
  assert.is((await ask(context, 'startStream', { id: made.id })).status, 200, 'twice is once')

  const ended = announcement(host, 'stop', 'ended', now() + 1)
  const over = await ask(context, 'stopStream', { id: made.id, body: { event: ended } })
  assert.is(over.body.phase, 'ended')
  const refused = await ask(context, 'startStream', { id: made.id })
  assert.is(refused.status, 409, 'its announcement says ended')
  const again = announcement(host, 'stop', 'live', now() + 2)
  const back = await ask(context, 'startStream', { id: made.id, body: { event: again } })
  assert.is(back.body.phase, 'planned')
  const foreign = announcement(host, 'tool', 'ended', now() + 3)
  const wrong = await ask(context, 'stopStream', { id: made.id, body: { event: foreign } })
  assert.is(wrong.status, 422, 'an event about another stream')
  await ask(context, 'stopStream', { id: made.id })
})

test('a new key is another one, the same in the grant, and the old one is known no more', async context => {
  const { host, relay } = context
  const { body: made } = await create(context, 'key')
  const { body: changed } = await ask(context, 'changeKey', { id: made.id })
  assert.is.not(changed.ingest.rtmp.key, made.ingest.rtmp.key)
  assert.is(changed.ingest.rtmp.server, made.ingest.rtmp.server)
  const granted = await host.next(
    { kinds: [5650], '#p': [host.pubkey], '#a': [made.address] },
    event => host.decrypt<Json>(event).ingest?.rtmp.key === changed.ingest.rtmp.key,
  )
  assert.ok(granted)
  const keys = await relay.relay.store.list('stream-key')
  const mine = keys.filter(({ value }) => value.includes(made.address))
  assert.is(mine.length, 1, 'one key opens it')
  assert.equal((await ask(context, 'getStatus', { id: made.id })).body.ingest, changed.ingest)
  await ask(context, 'stopStream', { id: made.id })
})

test('what is wrong with the media stands in the status and in the grant', async context => {
  const { host } = context
  const { body: made } = await create(context, 'hevc')
  const { server, key } = made.ingest.rtmp
  const encoder = await client(Number(new URL(server).port))
  await encoder.shake()
  encoder.publish(key)
  await encoder.hears('NetStream.Publish.Start')
  encoder.media(9, 0, Buffer.from('9068766331', 'hex'))
  await encoder.gone()
  const told = await host.next(
    { kinds: [5650], '#p': [host.pubkey], '#a': [made.address] },
    event => host.decrypt<Json>(event).problem !== undefined,
  )
  const { problem, ingest } = host.decrypt<Json>(told)
  assert.match(problem, /hvc1: set the encoder to H\.264/)
  assert.equal(ingest, made.ingest, 'its key holds')
  const { body } = await ask(context, 'getStatus', { id: made.id })
  assert.is(body.problem, problem)
  assert.ok(body.errors.some((one: Json) => one.cause === problem))
  await ask(context, 'stopStream', { id: made.id })
})

test('metrics of a stream that nobody watched are there and empty', async context => {
  const { body: list } = await ask(context, 'listStreams')
  const [one] = list.streams
  const { body } = await ask(context, 'getMetrics', { id: one.id, query: '?minutes=5' })
  assert.equal(body, { viewers: { concurrent: 0, peak: 0, total: 0 }, minutes: [] })
  const wrong = await ask(context, 'getMetrics', { id: one.id, query: '?minutes=x' })
  assert.is(wrong.status, 400)
})

test("a stream is its host's alone; the relay's own key may look, and sees no key", async context => {
  const { body: list } = await ask(context, 'listStreams')
  const [{ id }] = list.streams
  const other = await Person.connect(context.relay.url)
  for (const operationId of ['getStatus', 'stopStream', 'changeKey', 'listTargets', 'getMetrics'])
    assert.is((await ask(context, operationId, { id, who: other })).status, 404, operationId)
  assert.is((await ask(context, 'getStatus', { id: '0'.repeat(32) })).status, 404)
  assert.equal((await ask(context, 'listStreams', { who: other })).body.streams, [])
  other.close()
  const hex = readFileSync(join(context.relay.dir, 'relay.key'), 'utf8').trim()
  const who = { secret: new Uint8Array(Buffer.from(hex, 'hex')) }
  const seen = await ask(context, 'getStatus', { id, who })
  assert.is(seen.status, 200)
  assert.is(seen.body.ingest, undefined)
  assert.not.match(JSON.stringify(seen.body), /"key"/)
  assert.is((await ask(context, 'stopStream', { id, who })).status, 404)
})

test('a request is signed for what it asks, when it asks, and changes something once', async ({
  root,
  host,
}) => {
  const url = root
  const unsigned = await fetch(url)
  assert.is(unsigned.status, 401)
  assert.match(unsigned.headers.get('content-type') ?? '', /problem\+json/)
  const event = announcement(host, 'proof')
  const text = JSON.stringify({ event })
  const proof = proofFor(host, 'POST', url, text)
  assert.is((await call(host, 'POST', url, { event }, { proof })).status, 201)
  const replayed = await call(host, 'POST', url, { event }, { proof })
  assert.is(replayed.status, 401)
  assert.match(replayed.body.detail, /used before/)
  for (const wrong of [
    proofFor(host, 'GET', url, text),
    proofFor(host, 'POST', `${url}/x`, text),
    proofFor(host, 'POST', url, `${text} `),
    proofFor(host, 'POST', url),
    proofFor(person(), 'POST', url, 'other'),
  ])
    assert.is((await call(host, 'POST', url, { event }, { proof: wrong })).status, 401)
  const large = await call(host, 'POST', url, { event, pad: 'x'.repeat(1 << 18) })
  assert.is(large.status, 413)
  const read = proofFor(host, 'GET', url)
  for (let i = 0; i < 2; i++)
    assert.is((await call(host, 'GET', url, undefined, { proof: read })).status, 200)
})

test('where nothing was recorded the lists are empty, and there is nothing to delete', async context => {
  const { body } = await ask(context, 'listStreams')
  const [{ id, address }] = body.streams
  const { body: list } = await ask(context, 'listRecordings', { id })
  assert.equal([list.stream, list.recordings], [address, []])
  assert.equal((await ask(context, 'listAllRecordings')).body.recordings, [])
  const gone = await ask(context, 'deleteRecording', { id, target: 'rec1700000000000' })
  assert.is(gone.status, 404)
})

test('each operation of the document has its route, and each asks who it is', async ({
  document,
  relay,
}) => {
  let count = 0
  for (const [path, methods] of Object.entries<Json>(document.paths))
    for (const method of Object.keys(methods)) {
      const url = relay.http + path.replace('{id}', '0'.repeat(32)).replace(/\{\w+\}/, 'x')
      const response = await fetch(url, { method: method.toUpperCase() })
      assert.is(response.status, 401, `${method} ${path}`)
      const said = (await response.json()) as Json
      assert.match(said.detail, /NIP-98/)
      count += 1
    }
  assert.is(count, 13)
  assert.is(document.openapi, '3.1.0')
  const preflight = await fetch(`${relay.http}/api/v1/streams`, { method: 'OPTIONS' })
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization/)
})

test.run()
