/** A provider that fails in every way that one does: one stream comes of it, and the relay does not notice. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Fault } from './faults.ts'
import { provider, until } from './provider.ts'
import { hostGrant, type LivepeerRelay, livepeerRelay, Person, say } from './relay.ts'
import type { LivepeerServer } from './server.ts'

const CREATE = /^POST \/api\/stream$/
const LIST = /^GET \/api\/stream$/

interface Context {
  relay: LivepeerRelay
  server: LivepeerServer
  host: Person
}
const test = suite<Context>('a provider that fails')

test.before(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  const one = await provider()
  if (!one.own) throw new Error('faults are staged on our own server')
  context.server = one.own
  context.relay = await livepeerRelay(one, [
    'liveStream.livepeer.timeoutMs=600',
    'liveStream.livepeer.requestsPerSecond=50',
    'liveStream.maxStreamsPerHost=50',
  ])
  context.host = await Person.connect(context.relay.url)
  // The signing key is made once, before anything fails.
  await hostGrant(context.host, await say(context.host, 'first', 'planned'))
})
test.after(async ({ relay, server, host }) => {
  host.close()
  await relay.stop()
  await server.close()
})
test.before.each(({ server }) => server.faults.clear())

const one = (on: RegExp, how: Fault['how'], times = 1): Fault => ({ on, how, times })

/** Announces into the faults; the host gets its key all the same, and there is one stream with it. */
async function comesThrough({ host, server }: Context, d: string, ...faults: Fault[]) {
  const before = server.streams().length
  for (const fault of faults) server.faults.add(fault)
  const grant = await hostGrant(host, await say(host, d, 'planned'))
  const added = server.streams().slice(before)
  assert.equal(
    added.map(stream => stream.streamKey),
    [grant.ingest.rtmp.key],
    'one stream, and its key is with the host',
  )
}

const kinds: Record<string, Fault[]> = {
  'answers 500 to everything twice': [
    one(LIST, { status: 500 }, 2),
    one(CREATE, { status: 500 }, 2),
  ],
  'does not answer a create': [one(CREATE, 'hang')],
  'does not answer a look': [one(LIST, 'hang')],
  'cuts a look in half': [one(LIST, 'half')],
  'creates, and half of its answer comes': [one(CREATE, 'half')],
  'creates, and its answer is lost': [one(CREATE, 'lost')],
  'creates, and never answers': [one(CREATE, 'mute')],
  'creates, loses the answer and fails at the next look': [
    one(CREATE, 'lost'),
    one(LIST, { status: 500 }),
  ],
}
for (const [what, faults] of Object.entries(kinds))
  test(`one stream comes of a provider that ${what}`, context =>
    comesThrough(context, what.replaceAll(/\W+/g, '-'), ...faults))

test('429 is waited out as long as Retry-After says, and nobody asks meanwhile', async context => {
  const { server } = context
  const from = server.requests.length
  await comesThrough(context, 'limited', one(CREATE, { status: 429, retryAfterSeconds: 2 }))
  const lines = server.requests.slice(from)
  const refused = lines.findIndex(({ line }) => CREATE.test(line))
  const [first, next] = [lines[refused], lines[refused + 1]]
  assert.ok(first && next && next.at - first.at >= 1950, `${first?.at} ${next?.at}`)
})

test('a create that is done late makes two, and reconciliation leaves the one that the host has', async context => {
  const { server, host, relay } = context
  const before = server.streams().length
  server.faults.add(one(CREATE, 'late'))
  const grant = await hostGrant(host, await say(host, 'late', 'planned'))
  await until('the late one is there', () => server.streams().length === before + 2)
  await relay.relay.store
    .forPlugin('live-stream')
    .transaction(tx => tx.enqueue({ name: 'livepeer-reconcile', key: 'all' }))
  await until('one is left', () => server.streams().length === before + 1)
  assert.is(server.streams().at(-1)?.streamKey, grant.ingest.rtmp.key)
})

test('while it is down its host hears why, the breaker opens, and the relay does all else', async context => {
  const { server, host, relay } = context
  server.faults.add(one(/^\w+ \/api\//, { status: 503 }, 1000))
  const address = await say(host, 'down', 'planned')
  const told = await hostGrant(host, address, grant => grant.problem !== undefined)
  assert.match(told.problem ?? '', /the media provider is not available \(it answered 503\)/)
  assert.is(told.ingest, undefined)
  await until('the breaker is open', async () =>
    /sluice_livepeer_breaker\{state="open"\} 1/.test(await relay.metrics()),
  )
  const asked = server.requests.length
  const began = Date.now()
  for (let i = 0; i < 20; i++) await host.publish({ kind: 1, tags: [], content: `note ${i}` })
  assert.ok(Date.now() - began < 5000, 'notes are stored as ever')
  assert.ok(server.requests.length - asked <= 3, 'a provider that is down is left in peace')

  server.faults.clear()
  const grant = await hostGrant(host, address)
  assert.is(grant.problem, undefined)
  assert.is(server.streams().at(-1)?.streamKey, grant.ingest.rtmp.key)
  assert.match(await relay.metrics(), /sluice_livepeer_breaker\{state="closed"\} 1/)
})

test('a provider that refuses the stream is said to the host, with the reason in the log', async ({
  server,
  host,
  relay,
}) => {
  server.faults.add(one(CREATE, { status: 422 }))
  const address = await say(host, 'refused', 'planned')
  const told = await hostGrant(host, address, grant => grant.problem !== undefined)
  assert.match(told.problem ?? '', /refuses to make this stream/)
  assert.match(relay.log.join('\n'), /stream.create was refused with 422: a fault at will/)
})

test('a wrong API key is said to the host without saying the key', async ({ server }) => {
  const other = await provider()
  const key = 'not-the-key-of-this-account'
  const env = { ...other.env, LIVEPEER_API_KEY: key }
  const relay = await livepeerRelay({ ...other, env })
  const host = await Person.connect(relay.url)
  try {
    const address = await say(host, 'locked', 'planned')
    const told = await hostGrant(host, address, grant => grant.problem !== undefined)
    assert.match(told.problem ?? '', /does not let this relay in/)
    assert.not(relay.log.join('\n').includes(key))
    assert.ok(relay.log.join('\n').includes('LIVEPEER_API_KEY'))
  } finally {
    host.close()
    await relay.stop()
    await other.close()
    process.env.LIVEPEER_API_KEY = server.apiKey
  }
})

test.run()
