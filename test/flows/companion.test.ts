/**
 * The whole viewer story beside a relay without plugins, which stands for strfry: the companion does the reactions.
 * Both are killed in the middle, and nothing is lost and nothing doubled.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event, Filter } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { openSqliteReader } from '../../relay/store/sqlite/reader.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'
import { type CompanionProcess, spawnCompanion } from '../strfry/companion-process.ts'
import { freePorts, sourceLauncher, spawnStrfry } from '../strfry/harness.ts'
import { announce, get, type HostGrant, PaymentSession, Person, tag, walk } from './independent.ts'

interface Context {
  dir: string
  ports: { relay: number; http: number; rtmp: number }
  relay: Pick<RelayProcess, 'url' | 'kill' | 'stop'>
  companion: CompanionProcess
  host: Person
  viewer: Person
  address: string
  grant: HostGrant
  publisher: Publisher
  session: PaymentSession
  vouchers: Event[]
}
const test = suite<Context>('the companion')
const price: [string, string] = ['10', 'second']

/** A relay without plugins of ours; the real strfry where STRFRY_BIN names one. */
const startRelay = ({ dir, ports }: Context) => {
  const bin = process.env.STRFRY_BIN
  // Plugin and companion share a folder: one key, one store.
  const db = join(dir, 'companion')
  if (bin) return spawnStrfry({ bin, dir, db, port: ports.relay, command: sourceLauncher(dir) })
  const set = [`db=${join(dir, 'relay')}`, 'plugins=[]', `relay.port=${ports.relay}`]
  return spawnRelay(set.flatMap(one => ['--set', one]))
}
const startCompanion = ({ dir, ports, relay }: Context) =>
  spawnCompanion(relay.url, [
    `db=${join(dir, 'companion')}`,
    `companion.port=${ports.http}`,
    `liveStream.local.rtmpPort=${ports.rtmp}`,
    'paymentStream.credit.welcome=100000',
  ])

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-companion-'))
  const [relay = 0, http = 0, rtmp = 0] = await freePorts(3)
  context.ports = { relay, http, rtmp }
  context.vouchers = []
  context.relay = await startRelay(context)
  context.companion = await startCompanion(context)
  context.host = await Person.connect(context.relay.url)
  context.viewer = await Person.connect(context.relay.url)
})
test.after(async ({ dir, relay, companion, host, viewer, publisher }) => {
  await publisher?.kill()
  host?.close()
  viewer?.close()
  await companion?.kill('SIGTERM')
  await relay?.stop()
  await rm(dir, { recursive: true, force: true })
})

test('an announcement at the relay gets its ingest details from the companion', async context => {
  const { address, grant } = await announce(context.host, 'show', [...price, 'CREDIT'])
  context.address = address
  context.grant = grant
  assert.ok(grant.playbackUrl.startsWith(`${context.companion.http}/p/`))
  const { server, key } = grant.ingest.rtmp
  context.publisher = startPublisher({ url: `${server}/${key}` })
  const live = await context.viewer.next(
    { kinds: [30311], '#a': [address] },
    event => tag(event, 'status') === 'live',
    20_000,
  )
  assert.is(live.pubkey, context.companion.self)
})

test('a session that cannot be opened is refused in a 5611, for its OK was not ours', async context => {
  const { viewer, companion, address } = context
  const cheap = await PaymentSession.open(viewer, companion.self, address, ['9', 'second'])
  assert.is(tag(cheap.accepted, 'status'), 'rejected')
  assert.match(cheap.accepted.content, /this stream costs 10 CREDIT per second, you offered 9/)
})

test('who pays gets receipt and grant, and watches at the companion, which SIGHUP loads anew meanwhile', async context => {
  const { viewer, companion, address } = context
  companion.child.kill('SIGHUP')
  await until(async () => companion.stderr().includes('"reloaded"'))
  context.session = await PaymentSession.open(viewer, companion.self, address, price)
  assert.is(tag(context.session.accepted, 'status'), 'accepted')
  const receipt = await context.session.pay(100n)
  assert.is(tag(receipt, 'total_received'), '100')
  const grant = await context.session.grant()
  assert.is((await walk(grant.playbackUrl)).status, 200)
})

test('the companion is killed: what came meanwhile is answered when it is back', async context => {
  const { session, viewer } = context
  await context.companion.kill('SIGKILL')
  // The relay takes them; three receipts are owed.
  const vouchers: Event[] = []
  for (let i = 0; i < 3; i++) {
    const voucher = viewer.sign(session.voucher(20n))
    await viewer.relay.publish(voucher)
    vouchers.push(voucher)
  }
  // And an announcement, made while nobody reacts.
  const second = announce(context.host, 'later', ['1', 'second', 'CREDIT'])
  await sleep(200)
  await context.publisher.kill()
  context.companion = await startCompanion(context)
  const receipt = await viewer.next(
    { kinds: [5613], '#p': [viewer.pubkey], '#e': [session.opened.id] },
    event => tag(event, 'total_received') === '160',
    20_000,
  )
  assert.is(receipt.pubkey, context.companion.self)
  const { grant } = await second
  assert.ok(grant.ingest.rtmp.key)
  const { server, key } = context.grant.ingest.rtmp
  context.publisher = startPublisher({ url: `${server}/${key}` })
  await until(async () => {
    const fresh = await session.grant()
    return (await walk(fresh.playbackUrl)).status === 200
  })
  assert.not.match(context.companion.stderr(), /does not add up/)
})

test('the relay is killed: the companion finds it again, and what it had to say', async context => {
  const { session } = context
  const { secret } = context.viewer
  await context.relay.kill('SIGKILL')
  context.viewer.close()
  context.host.close()
  // While the relay is gone, the media stops: what the companion says of that waits in its outbox.
  await context.publisher.kill()
  await sleep(500)
  context.relay = await startRelay(context)
  context.viewer = await Person.connect(context.relay.url, secret)
  session.resume(context.viewer, 160n, 100)
  const receipt = await session.pay(40n)
  assert.is(tag(receipt, 'total_received'), '200')
})

test('both are killed while vouchers come: each is settled once, and the ledger adds up', async context => {
  const { session } = context
  const { secret } = context.viewer
  const kills = (async () => {
    for (let round = 0; round < 2; round++) {
      await sleep(300 + Math.random() * 300)
      await context.companion.kill('SIGKILL')
      context.companion = await startCompanion(context)
      await sleep(300 + Math.random() * 300)
      await context.relay.kill('SIGKILL')
      context.relay = await startRelay(context)
    }
  })()
  let over = false
  kills.finally(() => {
    over = true
  })
  let sent = 0
  // A voucher is signed once and sent until the relay has said OK: the total grows by what was acknowledged.
  while (!over || sent < 20) {
    const voucher = context.viewer.sign(session.voucher(5n))
    for (;;) {
      const ok = await context.viewer.relay.publish(voucher).then(
        () => true,
        () => false,
      )
      if (ok) break
      await sleep(100)
      context.viewer.close()
      context.viewer = await Person.connect(context.relay.url, secret).catch(() => context.viewer)
    }
    sent += 1
    await sleep(20)
  }
  await kills
  const total = String(session.total)
  const settled = await context.viewer.next(
    { kinds: [5613], '#p': [context.viewer.pubkey], '#e': [session.opened.id] },
    event => tag(event, 'total_received') === total,
    30_000,
  )
  assert.is(settled.pubkey, context.companion.self)
  session.viewer = context.viewer
  await session.close()
  const closed = await context.viewer.next(
    { kinds: [5615], '#p': [context.viewer.pubkey], authors: [context.companion.self] },
    () => true,
    20_000,
  )
  assert.is(tag(closed, 'final_sent'), total)

  await context.companion.kill('SIGTERM')
  const db = join(context.dir, 'companion')
  const store = openSqliteReader({ dir: db, clock: { now: Date.now } })
  assert.equal(await verifyLedger(store as never), [])
  assert.equal(await store.list('companion-outbox'), [])
  assert.equal(await store.list('companion-refused'), [])
  const answers = await store.events([{ kinds: [5615], authors: [context.companion.self] }])
  assert.is(answers.length, 1, 'one close has one answer')
  store.close()
  context.companion = await startCompanion(context)
})

test('at the relay there is one companion announcement, one answer to each open, the newest receipt', async context => {
  const { viewer, companion, session } = context
  const find = async (filter: Filter): Promise<Event[]> => {
    const events: Event[] = []
    await new Promise<void>(resolve => {
      const sub = viewer.relay.subscribe([filter], {
        onevent: event => void events.push(event),
        oneose: () => {
          sub.close()
          resolve()
        },
      })
    })
    return events
  }
  const accepts = await find({ kinds: [5611], '#p': [viewer.pubkey], '#e': [session.opened.id] })
  assert.is(accepts.length, 1)
  await until(async () => {
    const receipts = await find({ kinds: [5613], '#p': [viewer.pubkey] })
    return receipts.length === 1
  })
  const announced = await find({ kinds: [30311], authors: [companion.self] })
  const addresses = announced.map(event => tag(event, 'd'))
  assert.is(new Set(addresses).size, addresses.length)
  assert.is((await get(`${companion.http}/healthz`)).status, 200)
})

test('its NIP-11 says who is paid, and of NIPs what strfry speaks', async ({ companion }) => {
  const headers = { accept: 'application/nostr+json' }
  const answer = await fetch(companion.http, { headers })
  const info = (await answer.json()) as { self: string; supported_nips: number[] }
  assert.is(info.self, companion.self)
  assert.ok(info.supported_nips.includes(77))
  assert.not(info.supported_nips.includes(50), 'strfry has no search')
})

async function until(holds: () => Promise<boolean>, ms = 30_000): Promise<void> {
  const late = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > late) throw new Error(`it did not come true within ${ms} ms`)
    await sleep(200)
  }
}

test.run()
