/** The provider and the relay agree: at the start, and hourly. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Provider, provider, until } from './provider.ts'
import { hostGrant, idOf, type LivepeerRelay, livepeerRelay, Person, say } from './relay.ts'
import type { LivepeerServer } from './server.ts'

interface Context {
  provider: Provider
  server: LivepeerServer
  dir: string
  relay: LivepeerRelay
  host: Person
}
const test = suite<Context>('reconciliation')

test.before.each(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  context.provider = await provider({ maxPage: 25 })
  if (!context.provider.own) throw new Error('orphans are staged on our own server')
  context.server = context.provider.own
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-livepeer-'))
  await start(context)
})
test.after.each(async ({ host, relay, provider, dir }) => {
  host.close()
  await relay.stop()
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

async function start(context: Context): Promise<void> {
  const secret = context.host?.secret
  const set = ['liveStream.livepeer.requestsPerSecond=500']
  context.relay = await livepeerRelay(context.provider, set, context.dir)
  context.host = await Person.connect(context.relay.url, secret)
}

/** Stops the relay, does what is done behind its back, starts it again. */
async function meanwhile(context: Context, work: () => void): Promise<void> {
  context.host.close()
  await context.relay.stop()
  work()
  await start(context)
}

test('what belongs to nobody is taken away, what is not ours is left alone', async context => {
  const { server, host } = context
  const grant = await hostGrant(host, await say(host, 'mine', 'planned'))
  const [mine] = server.streams()
  const prefix = mine?.name.replace(/[^/]+$/, '') ?? ''
  const named = (name: string) => server.account.make({ name })
  const ofNobody = [
    // A double of a lost answer, and more than a page of orphans.
    named(mine?.name ?? ''),
    ...Array.from({ length: 60 }, (_, i) => named(prefix + i.toString(16).padStart(32, '0'))),
  ]
  // Another relay's, and one of a person who shares the account.
  const others = [named(`sluice/${'0'.repeat(16)}/${'a'.repeat(32)}`), named('My show')]
  await meanwhile(context, () => {})
  await until('they are gone', () => ofNobody.every(one => one.deleted), 60)
  assert.not(others.some(one => one.deleted))
  assert.is(mine?.deleted, false)
  assert.is(mine?.streamKey, grant.ingest.rtmp.key)
})

test('a stream that vanished there is made again, and its host hears the new key', async context => {
  const { server, host } = context
  const address = await say(host, 'show', 'planned')
  const { key } = (await hostGrant(host, address)).ingest.rtmp
  await meanwhile(context, () => {
    for (const stream of server.streams()) stream.deleted = true
  })
  const fits = (one: { ingest?: { rtmp: { key: string } } }) =>
    !!one.ingest && one.ingest.rtmp.key !== key
  const grant = await hostGrant(context.host, address, fits)
  assert.equal(
    server.streams().map(stream => stream.streamKey),
    [grant.ingest.rtmp.key],
  )
})

test('what went live while the relay was away is live when it is back; what ended has ended', async context => {
  const { server, host } = context
  const grant = await hostGrant(host, await say(host, 'show', 'planned'))
  const active = async () => (await context.relay.record(idOf(grant)))?.active
  const [stream] = server.streams()
  if (!stream) throw new Error('there is no stream')
  await meanwhile(context, () => {
    stream.isActive = true
  })
  await until('active', active)
  await meanwhile(context, () => {
    stream.isActive = false
  })
  await until('idle', async () => (await active()) === false)
})

test('a provider that is down at the start is asked again until it agrees', async context => {
  const { server, host } = context
  await hostGrant(host, await say(host, 'show', 'planned'))
  const prefix = server.streams()[0]?.name.replace(/[^/]+$/, '')
  const orphan = server.account.make({ name: `${prefix}${'b'.repeat(32)}` })
  await meanwhile(context, () =>
    server.faults.add({ on: /^GET \/api\/stream$/, times: 7, how: { status: 502 } }),
  )
  await until('it is gone', () => orphan.deleted, 60)
})

test.run()
