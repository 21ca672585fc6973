import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fetchBalance } from '../../client/balance.ts'
import { chat } from '../../client/chat.ts'
import { followStream } from '../../client/discover.ts'
import { RelayRefused } from '../../client/errors.ts'
import { host, type Show } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { Session, SessionState } from '../../client/session.ts'
import type { Stream } from '../../client/stream-book.ts'
import { viewer } from '../../client/viewer.ts'
import type { HostGrant } from '../../events/index.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { until } from './until.ts'

/** The SDK against the real relay with its default plugins: everything but the media itself. */
interface Context {
  relay: TestRelay
  dir: string
  self: string
  streamer: RelayClient
  watcher: RelayClient
  signer: LocalSigner
}
const test = suite<Context>('sdk flow')
const show: Show = {
  d: 'jazz',
  status: 'planned',
  title: 'Jazz',
  price: { amount: 10n, unit: 'second', asset: 'CREDIT' },
}

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-sdk-'))
  context.relay = await startRelay({ dir: context.dir })
  context.self = (await relayInfo(context.relay.url)).self
  context.signer = new LocalSigner(generateSecret())
  const signer = new LocalSigner(generateSecret())
  context.streamer = new RelayClient(context.relay.url, { connect: connectNode, signer })
  context.watcher = new RelayClient(context.relay.url, {
    connect: connectNode,
    signer: context.signer,
  })
})
test.after(async ({ relay, dir, streamer, watcher }) => {
  streamer.close()
  watcher.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

async function announced({ streamer, watcher, self }: Context, what: Show): Promise<Stream> {
  const address = await host(streamer, self).announce(what)
  const stream = await new Promise<Stream>(resolve => {
    const stop = followStream(watcher, self, address, found => {
      if (found) setTimeout(() => stop(), 0)
      if (found) resolve(found)
    })
  })
  return stream
}

async function open(context: Context, stream: Stream) {
  const states: SessionState[] = []
  const options = { everySeconds: 0.2, onChange: (state: SessionState) => states.push(state) }
  const session: Session = await viewer(context.watcher, context.self).open(stream, options)
  return { session, states }
}

const balance = async ({ relay, signer }: Context): Promise<bigint | undefined> =>
  (await fetchBalance(relay.http, signer)).get('CREDIT')

test('the host hears where to send media', async context => {
  const mine = host(context.streamer, context.self)
  const address = await mine.announce(show)
  const grants: HostGrant[] = []
  const stop = await mine.onIngest(address, grant => grants.push(grant))
  await until(() => grants.length > 0)
  assert.match(grants[0]?.ingest.rtmp.server ?? '', /^rtmp:\/\//)
  assert.match(grants[0]?.ingest.rtmp.key ?? '', /^[0-9a-f]{32}$/)
  stop()
})

test('a viewer pays, gets a receipt and a grant, closes, and has the rest back', async context => {
  const stream = await announced(context, { ...show, d: 'paid' })
  const before = await balance(context)
  assert.is(before, 1000n, 'the welcome credit')
  const { session } = await open(context, stream)
  session.pay()
  await until(() => session.state.grant !== undefined && session.state.totalReceived > 0n)
  assert.is(session.state.totalReceived, 120n)
  assert.is(await balance(context), 880n)
  const { token, playbackUrl } = session.state.grant ?? { token: '', playbackUrl: '' }
  assert.is(playbackUrl, `${context.relay.http}/p/${token}/master.m3u8`)
  await session.close()
  assert.is(session.state.phase, 'closed')
  assert.is(session.state.totalReceived, 0n, 'the stream never ran: nothing was due')
  assert.is(await balance(context), 1000n)
  const answer = await fetch(playbackUrl)
  assert.is(answer.status, 402)
})

test('a balance that is too low is a sentence, and the session is blocked', async context => {
  const price = { amount: 5000n, unit: 'second' as const, asset: 'CREDIT' }
  const stream = await announced(context, { ...show, d: 'dear', price })
  const { session } = await open(context, stream)
  session.pay()
  await until(() => session.state.phase === 'blocked')
  assert.match(session.state.problem ?? '', /^[A-Z].*\.$/)
  await session.close()
})

test('a session goes on through a restart of the relay', async context => {
  const stream = await announced(context, { ...show, d: 'restart' })
  const { session } = await open(context, stream)
  session.pay()
  await until(() => session.state.totalReceived === 120n)
  const { port } = new URL(context.relay.url)
  await context.relay.stop()
  context.relay = await startRelay({ dir: context.dir, set: [`relay.port=${port}`] })
  await until(() => context.watcher.status === 'open', 10_000)
  await session.close()
  assert.is(session.state.phase, 'closed')
  assert.is(await balance(context), 1000n)
})

test('a left session is taken up again', async context => {
  const stream = await announced(context, { ...show, d: 'resume' })
  const first = await open(context, stream)
  first.session.pay()
  await until(() => first.session.state.totalReceived === 120n)
  first.session.leave()
  const second = await open(context, stream)
  assert.is(second.session.id, first.session.id)
  await until(() => second.session.state.totalReceived === 120n)
  await second.session.close()
})

test('chat is heard by others, and a price below the host’s is refused', async context => {
  const stream = await announced(context, { ...show, d: 'chat' })
  const heard: string[] = []
  chat(context.streamer, stream.chatAddresses).listen(said => heard.push(said.text))
  await chat(context.watcher, stream.chatAddresses).say('hello')
  await until(() => heard.includes('hello'))
  const cheap = { ...stream, price: { amount: 1n, unit: 'second' as const, asset: 'CREDIT' } }
  try {
    await open(context, cheap)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayRefused)
    assert.match((error as Error).message, 'costs 10 CREDIT per second')
  }
})

test.run()
