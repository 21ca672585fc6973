/**
 * Interledger for real: a sender, the npm connector, a hop that may cheat and the relay, each a process of its own.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import * as Ilp from 'ilp-packet'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { balanceOf, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { announce, Person } from '../flows/independent.ts'
import { person, type RelayProcess, spawnRelay } from '../harness.ts'
import { silent } from '../relay/naive.ts'
import { ADDRESS, HUB_TOKEN, ilpSettings } from './ilp.ts'
import {
  type Child,
  type Hop,
  SENDER_TOKEN,
  start,
  startConnector,
  startHop,
} from './ilp-processes.ts'

/** The connector wants two seconds of a packet's time for itself. */
const TIMEOUT_MS = 6000

interface World {
  dir: string
  relay: RelayProcess
  self: string
  address: string
  hop: Hop
  connectors: Child[]
  /** Where a payer reaches the connector: with the hop behind it, and with the relay's BTP behind it. */
  viaHop: string
  viaBtp: string
  senders: Child[]
  /** Credited in all, by session. */
  expected: bigint
}
const test = suite<World>('ilp: sender, connector, hop and relay')

test.before(async world => {
  world.dir = await mkdtemp(join(tmpdir(), 'sluice-ilp-'))
  world.senders = []
  world.expected = 0n
  await writeFile(join(world.dir, 'ilp.peers'), `hub ${HUB_TOKEN}\n`)
  await chmod(join(world.dir, 'ilp.peers'), 0o600)
  const set = [`db=${world.dir}`, ...ilpSettings].flatMap(one => ['--set', one])
  world.relay = await spawnRelay(set)
  const info = await fetch(world.relay.http, { headers: { accept: 'application/nostr+json' } })
  world.self = ((await info.json()) as { self: string }).self
  const host = await Person.connect(world.relay.url)
  world.address = (await announce(host, 'show', ['10', 'second', 'USD'])).address
  host.close()
  world.hop = await startHop(`${world.relay.http}/ilp`, HUB_TOKEN)
  const btp = world.relay.url.replace('ws://', `btp+ws://:${HUB_TOKEN}@`)
  const [viaHop, viaBtp] = await Promise.all([
    startConnector({ plugin: 'ilp-plugin-http', url: world.hop.url }),
    startConnector({ plugin: 'ilp-plugin-btp', url: `${btp}/ilp/btp` }),
  ])
  world.connectors = [viaHop, viaBtp]
  world.viaHop = viaHop.url
  world.viaBtp = viaBtp.url
})

test.before.each(async world => {
  await world.hop.tell('/mode', 'honest')
})

test.after(async world => {
  for (const child of [...world.senders, ...world.connectors, world.hop]) await child.stop()
  await world.relay.stop()
  const store = openSqliteStore({ dir: world.dir, clock: { now: Date.now }, log: silent })
  try {
    assert.equal(await verifyLedger(store), [])
    assert.is(await balanceOf(store, 'USD', 'rail:ilp:hub'), -world.expected)
  } finally {
    await store.close()
    await rm(world.dir, { recursive: true, force: true })
  }
})

test('a session over the npm connector, two hops on HTTP: open, pay, query, close', async world => {
  const { ask } = await sender(world, world.viaHop)
  await ask({ do: 'open' })
  assert.is((await ask({ do: 'pay', amount: '500' })).ok?.totalReceived, '500')
  assert.is((await ask({ do: 'pay', amount: '250' })).ok?.totalReceived, '750')
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '750')
  assert.equal((await ask({ do: 'close' })).ok, { finalReceived: '0', refunded: '750' })
  const late = await ask({ do: 'pay', amount: '1' })
  assert.is(late.error?.code, 'F07')
  assert.is(late.error?.message, 'This session is closed.')
  world.expected += 750n
})

test('the connector reaches the relay over BTP as well', async world => {
  const { ask } = await sender(world, world.viaBtp)
  await ask({ do: 'open' })
  assert.is((await ask({ do: 'pay', amount: '300' })).ok?.totalReceived, '300')
  world.expected += 300n
})

test('a hop that shaves below min_receive is not paid; one within it is', async world => {
  const { ask } = await sender(world, world.viaHop)
  await ask({ do: 'open' })
  await world.hop.tell('/mode', 'shave')
  const refused = await ask({ do: 'pay', amount: '100' })
  assert.is(refused.error?.code, 'F04')
  assert.is(refused.error?.message, '90 arrived, min_receive is 100.')
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '0')
  const agreed = await ask({ do: 'pay', amount: '100', minReceive: '90' })
  assert.is(agreed.ok?.received, '90')
  const sent = await ask({ do: 'pay', amount: '90', send: '100' })
  assert.is(sent.ok?.totalReceived, '180')
  world.expected += 180n
})

test('a hop that replays gets one payment', async world => {
  const { ask } = await sender(world, world.viaHop)
  await ask({ do: 'open' })
  await world.hop.tell('/mode', 'replay')
  assert.is((await ask({ do: 'pay', amount: '100' })).ok?.totalReceived, '100')
  assert.is((await ask({ do: 'pay', amount: '40' })).ok?.totalReceived, '140')
  await world.hop.tell('/replay')
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '140')
  world.expected += 140n
})

test('a packet that is held back past its expiry pays nothing', async world => {
  const { ask } = await sender(world, world.viaHop)
  await ask({ do: 'open' })
  await world.hop.tell('/mode', 'delay')
  const late = await ask({ do: 'pay', amount: '100' })
  assert.is(late.error?.code, 'R00', JSON.stringify(late))
  await world.hop.tell('/mode', 'honest')
  // The next payment asks first: nothing had arrived, so it is the first one.
  assert.is((await ask({ do: 'pay', amount: '70' })).ok?.totalReceived, '70')
  world.expected += 70n
})

test('a FULFILL that is dropped behind the connector: nothing is paid twice', async world => {
  const { ask } = await sender(world, world.viaHop)
  await ask({ do: 'open' })
  await world.hop.tell('/mode', 'drop')
  const lost = await ask({ do: 'pay', amount: '100' })
  assert.is(
    lost.error?.name,
    'IlpRejected',
    'the connector says that it could not reach the next hop',
  )
  assert.ok(lost.uncertain)
  await world.hop.tell('/mode', 'honest')
  // The payee has it all the same: the hop that lost the FULFILL has paid for it.
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '100')
  const next = await ask({ do: 'pay', amount: '50' })
  assert.is(next.ok?.totalReceived, '150')
  assert.is(next.ok?.received, '50')
  await world.hop.tell('/replay')
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '150')
  world.expected += 150n
})

test('a FULFILL that is dropped at the first hop: the sender knows that it does not know', async world => {
  const { ask } = await sender(world, world.hop.url)
  await ask({ do: 'open' })
  await world.hop.tell('/mode', 'drop')
  const dropped = await ask({ do: 'pay', amount: '100' })
  assert.is(dropped.error?.name, 'IlpUncertain')
  await world.hop.tell('/mode', 'honest')
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '100')
  assert.is((await ask({ do: 'pay', amount: '30' })).ok?.totalReceived, '130')

  await world.hop.tell('/mode', 'swallow')
  const swallowed = await ask({ do: 'pay', amount: '100' })
  assert.is(swallowed.error?.name, 'IlpUncertain')
  assert.ok(swallowed.uncertain)
  await world.hop.tell('/mode', 'honest')
  const anew = await ask({ do: 'pay', amount: '60' })
  assert.is(anew.ok?.totalReceived, '190', 'it asked by itself, and the lost one had not arrived')
  // Now it does arrive, after its time has been paid for anew: the payee does not take it as well.
  const late = Ilp.deserializeIlpReply(await world.hop.tell('/release'))
  assert.ok('code' in late && ['F04', 'R00'].includes(late.code), JSON.stringify(late))
  assert.is((await ask({ do: 'query' })).ok?.totalReceived, '190')
  world.expected += 190n
})

interface Answer {
  ok?: Record<string, string>
  error?: { name: string; message: string; code?: string }
  uncertain?: boolean
}

/** A sender process with a key of its own; the connector may still be finding its routes when the first one opens. */
async function sender(world: World, url: string) {
  const options = {
    secret: Buffer.from(person().secret).toString('hex'),
    self: world.self,
    destination: ADDRESS,
    url,
    token: SENDER_TOKEN,
    timeoutMs: TIMEOUT_MS,
    address: world.address,
    rate: '10',
    asset: 'USD',
  }
  const child = start([
    '--import',
    'tsx',
    'test/payments/ilp-sender-child.ts',
    JSON.stringify(options),
  ])
  world.senders.push(child)
  const { stdin, stdout } = child.process
  if (!stdin || !stdout) throw new Error('the sender has no pipes')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  async function once(command: object): Promise<Answer> {
    stdin?.write(`${JSON.stringify(command)}\n`)
    return JSON.parse((await lines.next()).value)
  }
  return {
    async ask(command: { do: string; [more: string]: string }): Promise<Answer> {
      const answer = await once(command)
      if (command.do !== 'open') return answer
      for (let tries = 0, last = answer; ; tries++) {
        if (last.ok) return last
        assert.ok(tries < 60, `no session: ${JSON.stringify(last)}`)
        await sleep(250)
        last = await once(command)
      }
    },
  }
}

test.run()
