/** kill -9 at the worst moments: exactly one stream at the provider, no ghost here, no orphan there. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { type Provider, provider, until } from './provider.ts'
import { hostGrant, Person, say } from './relay.ts'
import type { LivepeerServer } from './server.ts'

interface Context {
  provider: Provider
  server: LivepeerServer
  dir: string
  relay: RelayProcess
}
const test = suite<Context>('a relay that is killed')

test.before.each(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  context.provider = await provider()
  if (!context.provider.own) throw new Error('kills are staged on our own server')
  context.server = context.provider.own
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-livepeer-'))
  context.relay = await spawn(context)
})
test.after.each(async ({ relay, provider, dir }) => {
  await relay.stop()
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

const spawn = ({ provider, dir }: Pick<Context, 'provider' | 'dir'>) =>
  spawnRelay(
    [`db=${dir}`, ...provider.set].flatMap(setting => ['--set', setting]),
    provider.env,
  )

async function restart(context: Context): Promise<void> {
  await context.relay.kill('SIGKILL')
  context.relay = await spawn(context)
}

/** Announces, kills once `asked` was seen at the provider, starts again; gives what the host has then. */
async function killedAt(context: Context, asked: () => boolean) {
  const host = await Person.connect(context.relay.url)
  const address = await say(host, 'show', 'planned')
  await until('the provider was asked', asked)
  host.close()
  await restart(context)
  const again = await Person.connect(context.relay.url, host.secret)
  const grant = await hostGrant(again, address)
  again.close()
  return grant
}

const creates = ({ server }: Context) =>
  server.requests.filter(({ line }) => line === 'POST /api/stream').length

test('between announcement and creation: one stream, and its key with the host', async context => {
  context.server.faults.add({ on: /^POST \/api\/stream$/, times: 1, how: 'hang' })
  const grant = await killedAt(context, () => creates(context) === 1)
  assert.equal(
    context.server.streams().map(stream => stream.streamKey),
    [grant.ingest.rtmp.key],
  )
})

test('between creation and saving: the one that was made is found, none is made again', async context => {
  context.server.faults.add({ on: /^POST \/api\/stream$/, times: 1, how: 'mute' })
  const grant = await killedAt(context, () => context.server.streams().length === 1)
  assert.is(creates(context), 1)
  assert.equal(
    context.server.streams().map(stream => stream.streamKey),
    [grant.ingest.rtmp.key],
  )
})

test('between the end and the deletion: nothing stays', async context => {
  const host = await Person.connect(context.relay.url)
  const address = await say(host, 'show', 'planned')
  await hostGrant(host, address)
  context.server.faults.add({ on: /^DELETE /, times: 1, how: 'hang' })
  const asked = () => context.server.requests.some(({ line }) => line.startsWith('DELETE '))
  await new Promise(resolve => setTimeout(resolve, 1100))
  await say(host, 'show', 'ended')
  await until('a deletion was asked for', asked)
  host.close()
  await restart(context)
  await until('nothing is there', () => context.server.streams().length === 0)
})

test.run()
