/** A stream's whole life with real media, as telemetry tells it, and what is counted and kept on the way. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import accessGrant from '../../plugins/access-grant/index.ts'
import liveStream from '../../plugins/live-stream/index.ts'
import { streams } from '../../plugins/live-stream/stream.ts'
import playback from '../../plugins/playback/index.ts'
import { audiences, minutes } from '../../plugins/playback/viewers.ts'
import {
  definePlugin,
  type ErrorSource,
  type StreamPhase,
  streamPhase,
  streamTrouble,
  streamViewers,
} from '../../plugins/plugin.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { call } from '../live-stream/http.ts'
import { until } from '../livepeer/provider.ts'
import { hostGrant, idOf, say } from '../livepeer/relay.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'
import { type HostGrant, now, Person, tag, uris } from './independent.ts'

interface Context {
  relay: TestRelay
  host: Person
  viewer: Person
  address: string
  grant: HostGrant
  publisher: Publisher
  phases: { address: string; from?: StreamPhase; to: StreamPhase; cause?: string }[]
  troubles: { source: ErrorSource; cause: string }[]
  counts: { concurrent: number; peak: number; total: number }[]
  /** How far the relay's clock is ahead, ms. */
  ahead: number
}
const test = suite<Context>('the life of a stream')
const HOUR_MS = 3_600_000

test.before(async context => {
  Object.assign(context, { phases: [], troubles: [], counts: [], ahead: 0 })
  const listener = definePlugin({
    name: 'listener',
    options: z.object({}),
    setup({ telemetry }) {
      telemetry.on(streamPhase, told => context.phases.push(told))
      telemetry.on(streamTrouble, told => context.troubles.push(told))
      telemetry.on(streamViewers, told => context.counts.push(told))
      return {}
    },
  })
  context.relay = await startRelay({
    plugins: [listener, liveStream, accessGrant, playback],
    clock: { now: () => Date.now() + context.ahead },
    set: [
      'relay.realIpHeader=x-forwarded-for',
      'liveStream.local.transcode=false',
      'liveStream.companionWaitMs=0',
      'playback.countSeconds=0.3',
    ],
  })
  context.host = await Person.connect(context.relay.url)
  context.viewer = await Person.connect(context.relay.url)
})
test.after(async ({ relay, host, viewer, publisher }) => {
  await publisher?.kill()
  host.close()
  viewer.close()
  await relay.stop()
})

const storeOf = ({ relay }: Context) => relay.relay.store.forPlugin('live-stream')
const record = (context: Context, address = context.address) =>
  streams.get(storeOf(context), address)
const phasesOf = ({ phases, address }: Context, of = address) =>
  phases.filter(one => one.address === of).map(one => one.to)
const push = ({ grant }: Context) =>
  startPublisher({ url: `${grant.ingest.rtmp.server}/${grant.ingest.rtmp.key}` })
const goesOn = (context: Context, phase: StreamPhase, of = context.address) =>
  until(phase, () => phasesOf(context, of).at(-1) === phase)
/** Lets the hourly look happen now, and with it whatever else is due by the relay's clock. */
const retain = (context: Context) =>
  storeOf(context).transaction(tx => tx.enqueue({ name: 'retention', key: 'all' }))
/** A segment, as somebody at that network address. */
async function watch({ grant }: Context, ip: string): Promise<number> {
  const headers = { 'x-forwarded-for': ip }
  const text = async (url: string) => (await fetch(url, { headers })).text()
  const [media = ''] = uris(await text(grant.playbackUrl), grant.playbackUrl)
  const response = await fetch(uris(await text(media), media).at(-1) ?? '', { headers })
  await response.arrayBuffer()
  return response.status
}

test('created when it is announced, planned once its host knows where to send media', async context => {
  const starts = String(now() + 60)
  context.address = await say(context.host, 'show', 'planned', ['starts', starts])
  context.grant = await hostGrant(context.host, context.address)
  await goesOn(context, 'planned')
  assert.equal(phasesOf(context), ['created', 'planned'])
  assert.is((await record(context))?.starts, Number(starts))
})

test('live with the media, and viewers are counted by who fetches it', async context => {
  context.publisher = push(context)
  await goesOn(context, 'live')
  const companion = await context.viewer.next({ kinds: [30311], '#a': [context.address] })
  assert.is(tag(companion, 'status'), 'live')
  assert.is(tag(companion, 'current_participants'), undefined, 'nobody has counted yet')
  for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.2'])
    await until('served', async () => (await watch(context, ip)) === 200)
  await until('counted', () => context.counts.some(one => one.concurrent === 2))
  const url = `${context.relay.http}/api/v1/streams/${idOf(context.grant)}/metrics`
  const { body } = await call(context.host, 'GET', url)
  assert.equal(body.viewers, { concurrent: 2, peak: 2, total: 2 })
  assert.is(Math.max(...body.minutes.map((one: { viewers: number }) => one.viewers)), 2)
  const sum = (name: string) =>
    body.minutes.reduce((total: number, one: Record<string, number>) => total + (one[name] ?? 0), 0)
  assert.is(sum('joined'), 2)
  assert.ok(sum('bytes') > 10_000)
})

test('the companion says how many watch, once a minute', async context => {
  const before = (await record(context))?.companion
  assert.is(before?.status, 'live')
  // In steps shorter than somebody counts as watching: at no moment are there fewer.
  for (let i = 0; i < 4; i++) {
    await Promise.all([watch(context, '192.0.2.2'), watch(context, '192.0.2.3')])
    context.ahead += 16_000
  }
  const counted = await context.viewer.next(
    { kinds: [30311], '#a': [context.address] },
    event => tag(event, 'current_participants') !== undefined,
  )
  assert.ok(counted.created_at - (before?.createdAt ?? 0) >= 55)
  assert.is(tag(counted, 'current_participants'), '2', 'the first one has gone')
  assert.is(tag(counted, 'total_participants'), '3')
})

test('a publisher who comes back goes on; one who does not is a ghost', async context => {
  await context.publisher.kill()
  await goesOn(context, 'reconnecting')
  context.publisher = push(context)
  await goesOn(context, 'live')
  assert.equal(context.troubles, [], 'coming and going is no error')
  await context.publisher.stop()
  await goesOn(context, 'reconnecting')
  context.ahead += 61_000
  await retain(context)
  await goesOn(context, 'ended')
  assert.match(context.phases.at(-1)?.cause ?? '', /no media came back for 60 s/)
  await until('told', () => context.troubles.length === 1)
  const over = await context.viewer.next(
    { kinds: [30311], '#a': [context.address] },
    event => tag(event, 'status') === 'ended',
  )
  assert.is(tag(over, 'total_participants'), '3')
  assert.is(tag(over, 'current_participants'), undefined)
})

test('ended for a day it is archived, and its key opens nothing', async context => {
  await retain(context)
  context.ahead = 23 * HOUR_MS
  await retain(context)
  assert.is((await record(context))?.archivedAt, undefined, 'not before')
  context.ahead = 25 * HOUR_MS
  await retain(context)
  await goesOn(context, 'archived')
  const refused = push(context)
  assert.is.not(await refused.exited, 0)
  assert.is((await record(context))?.status, 'ended')
})

test('announced anew it is planned again, with the key that its host has', async context => {
  const { host, address, grant } = context
  const at = now() + 25 * 3600
  const tags = [
    ['d', 'show'],
    ['status', 'planned'],
  ]
  await host.publish({ kind: 30311, tags, content: '', created_at: at })
  await goesOn(context, 'planned')
  const known = await hostGrant(host, address)
  assert.equal(known.ingest, grant.ingest)
})

test('planned, and nobody ever came: ended a day after its start, and its host can read why', async context => {
  const at = now() + 25 * 3600
  const tags = [
    ['d', 'never'],
    ['status', 'planned'],
    ['starts', String(at + 3600)],
  ]
  await context.host.publish({ kind: 30311, tags, content: '', created_at: at })
  const address = `30311:${context.host.pubkey}:never`
  await goesOn(context, 'planned', address)
  context.ahead = 49.5 * HOUR_MS
  await retain(context)
  await goesOn(context, 'ended')
  assert.is(phasesOf(context, address).at(-1), 'planned', 'it was to begin an hour later')
  context.ahead = 50.5 * HOUR_MS
  await retain(context)
  await goesOn(context, 'ended', address)
  assert.match(context.troubles.at(-1)?.cause ?? '', /no media came within 24 hours/)
})

test('deleted by its host nothing of it is shown, and a day later nothing is kept', async context => {
  const { host, viewer, address, relay } = context
  const at = now() + 50 * 3600
  await host.publish({ kind: 5, tags: [['a', address]], content: '', created_at: at })
  await goesOn(context, 'deleted')
  const back = await viewer.next({ kinds: [5], authors: [relay.relay.self] })
  assert.is(tag(back, 'a'), `30311:${relay.relay.self}:${idOf(context.grant)}`)
  context.ahead = 76 * HOUR_MS
  await retain(context)
  await until('put away', async () => (await record(context))?.archivedAt !== undefined)
  await retain(context)
  await until('gone', async () => (await record(context)) === undefined)
})

test('metrics go after thirty days, errors after seven', async context => {
  const store = storeOf(context)
  const mine = (rows: { key: string }[]) =>
    rows.filter(({ key }) => key.startsWith(idOf(context.grant)))
  const errors = async () => mine(await store.list('stream-error'))
  assert.ok((await errors()).length > 0)
  context.ahead += 8 * 24 * HOUR_MS
  await retain(context)
  await until('no errors', async () => (await errors()).length === 0)
  const forget = () =>
    context.relay.relay.store
      .forPlugin('playback')
      .transaction(tx => tx.enqueue({ name: 'retention', key: 'all' }))
  await forget()
  assert.ok(mine(await minutes.list(store)).length > 0)
  context.ahead += 23 * 24 * HOUR_MS
  await forget()
  await until('no minutes', async () => mine(await minutes.list(store)).length === 0)
  await until('nobody', async () => mine(await audiences.list(store)).length === 0)
  assert.equal(await store.list('stream-viewer'), [])
})

test.run()
