/** What a host sets for a stream, by event and over HTTP, and what the provider has of it. */
import { randomUUID } from 'node:crypto'
import { nip44 } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { now } from '../flows/independent.ts'
import { call } from '../live-stream/http.ts'
import { folder } from '../policies/ask.ts'
import { type Provider, provider, until } from './provider.ts'
import { hostGrant, idOf, type LivepeerRelay, livepeerRelay, Person, say } from './relay.ts'
import type { LivepeerServer } from './server.ts'

interface Context {
  provider: Provider
  server: LivepeerServer
  relay: LivepeerRelay
  host: Person
  address: string
  id: string
  dir: string
  done(): void
}
const set = ['liveStream.livepeer.requestsPerSecond=100']
const test = suite<Context>('sending streams on')
const twitch = 'rtmp://live.example.com/app/secret-one'
const other = 'rtmps://other.example.com:443/live/secret-two'

test.before(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  context.provider = await provider()
  if (!context.provider.own) throw new Error('this is staged on our own server')
  context.server = context.provider.own
  Object.assign(context, folder())
  context.relay = await livepeerRelay(context.provider, set, context.dir)
  context.host = await Person.connect(context.relay.url)
  context.address = await say(context.host, 'show', 'planned')
  context.id = idOf(await hostGrant(context.host, context.address))
})
test.after(async ({ relay, server, host, done }) => {
  host.close()
  await relay.stop()
  await server.close()
  done()
})

/** A 5652, as docs/events.md has it. */
async function settings(
  { host, relay, address }: Context,
  content: unknown,
  more: { at?: number; by?: Person; to?: string } = {},
) {
  const by = more.by ?? host
  const key = nip44.getConversationKey(by.secret, relay.relay.self)
  return by.publish({
    kind: 5652,
    created_at: more.at ?? now(),
    tags: [['p', more.to ?? relay.relay.self], ['a', address], ['-']],
    content: nip44.encrypt(typeof content === 'string' ? content : JSON.stringify(content), key),
  })
}
const refused = (work: Promise<unknown>) =>
  work.then(
    () => 'accepted',
    error => String(error.message ?? error),
  )
const urlsAt = ({ server }: Context) =>
  [...server.account.targets.values()].map(({ url }) => url).sort()
const api = ({ relay, host, id }: Context, method: string, path: string, body?: unknown) =>
  call(host, method, `${relay.http}/api/v1/streams/${id}/${path}`, body)

test('targets sent encrypted are at the provider, and on its stream', async context => {
  const event = await settings(context, {
    restream: [{ name: 'Twitch', url: twitch }, { url: other }],
  })
  await until('both there', () => urlsAt(context).length === 2)
  assert.equal(urlsAt(context), [twitch, other])
  const [stream] = context.server.streams()
  await until('on the stream', () => stream?.multistream?.targets?.length === 2)
  assert.equal(
    stream?.multistream?.targets?.map(one => one.profile),
    ['source', 'source'],
  )
  const { body } = await api(context, 'GET', 'restream')
  assert.equal(
    body.targets.map(({ name, server, state }: Record<string, string>) => [name, server, state]),
    [
      ['Twitch', 'rtmp://live.example.com/app', 'waiting'],
      ['other.example.com', 'rtmps://other.example.com:443/live', 'waiting'],
    ],
  )
  const stored = await context.host.next({ kinds: [5652], authors: [context.host.pubkey] })
  assert.is(stored.id, event.id, 'its author reads it back')
})

test('nobody else reads it, and no secret of it is in the log or the database as it is', async context => {
  const stranger = await Person.connect(context.relay.url)
  const sentence = await refused(
    stranger.next({ kinds: [5652], authors: [context.host.pubkey] }, () => true, 2000),
  )
  assert.match(sentence, /restricted|auth-required/)
  stranger.close()
  assert.not.match(context.relay.log.join(), /secret-(one|two)/)
  const kept = await context.relay.relay.store.list('stream-settings')
  assert.is(kept.length, 1)
  assert.not.match(JSON.stringify(kept), /secret-/)
})

test('what is wrong with settings is said, and changes nothing', async context => {
  const stranger = await Person.connect(context.relay.url)
  const target = (url: string) => settings(context, { restream: [{ url }] })
  const cases: [Promise<unknown>, RegExp][] = [
    [settings(context, { restream: [{ url: twitch }] }, { by: stranger }), /only its host/],
    [settings(context, {}, { to: 'a'.repeat(64) }), /another relay/],
    [settings(context, 'no json'), /content needs to be JSON/],
    [target('https://live.example.com/x'), /rtmp:\/\/ or rtmps:\/\//],
    [target('rtmp://live.example.com'), /rtmp:\/\/ or rtmps:\/\//],
    [target('rtmp://127.0.0.1/app/key'), /no place outside/],
    [target('rtmp://[::1]/app/key'), /no place outside/],
    [target('rtmp://localhost/app/key'), /no place outside/],
    [target('rtmp://192.168.1.4:1935/app/key'), /no place outside/],
    [target('rtmp://nas.local/app/key'), /no place outside/],
    [settings(context, { restream: Array(6).fill({ url: `${twitch}x` }) }), /5 places/],
    [settings(context, { restream: [] }, { at: now() - 600 }), /newer settings/],
  ]
  for (const [work, sentence] of cases) assert.match(await refused(work), sentence)
  assert.equal(urlsAt(context), [twitch, other])
  stranger.close()
})

test('what becomes of a target comes by webhook, in any order, and a failure is kept for the host', async context => {
  const { server, id } = context
  const [hook] = server.account.webhooks.values()
  const [stream] = server.streams()
  const made = [...server.account.targets.values()].find(one => one.url === twitch)
  if (!hook || !stream || !made) throw new Error('nothing to stage')
  const tell = (event: string, createdAt: number, name = made.name) =>
    server.cannon.deliver(hook, {
      id: randomUUID(),
      createdAt,
      event,
      stream: { id: stream.id },
      payload: { target: { id: made.id, name, profile: 'source' } },
    })
  const at = Date.now()
  assert.is(await tell('multistream.connected', at), 200)
  const state = async () => (await api(context, 'GET', 'restream')).body.targets[0].state
  assert.is(await state(), 'connected')
  await tell('multistream.error', at - 5)
  assert.is(await state(), 'connected', 'it failed before it was connected')
  await tell('multistream.error', at + 5)
  assert.is(await state(), 'failed')
  await tell('multistream.error', at + 6, 'not/ours')
  const { body } = await api(context, 'GET', 'status')
  assert.is(body.errors[0].source, 'restream')
  assert.match(body.errors[0].cause, /Twitch/)
  assert.is(body.id, id)
})

test('over HTTP one more, one fewer: the provider keeps those that stay', async context => {
  const before = new Map([...context.server.account.targets].map(([id, { url }]) => [url, id]))
  const third = 'rtmp://third.example.com/live/secret-three'
  const added = await api(context, 'POST', 'restream', { name: 'Third', url: third })
  assert.is(added.status, 201)
  assert.is(added.body.state, 'waiting')
  assert.not.match(JSON.stringify(added.body), /secret/)
  await until('three there', () => urlsAt(context).length === 3)
  for (const [url, id] of before) assert.is(context.server.account.targets.get(id)?.url, url)
  const { body } = await api(context, 'GET', 'restream')
  const gone = body.targets.find((one: { name: string }) => one.name === 'Twitch')
  assert.is((await api(context, 'DELETE', `restream/${gone.id}`)).status, 204)
  assert.is((await api(context, 'DELETE', `restream/${gone.id}`)).status, 404)
  await until('its address is gone there', () => !urlsAt(context).includes(twitch))
  assert.equal(urlsAt(context), [third, other])
  const problem = await api(context, 'POST', 'restream', { url: 'rtmp://10.0.0.1/a/b' })
  assert.is(problem.status, 422)
})

test('a lost answer makes no target twice', async context => {
  context.server.faults.add({ on: /^PATCH \/api\/stream\//, times: 1, how: 'lost' })
  const fourth = 'rtmp://fourth.example.com/live/secret-four'
  await api(context, 'POST', 'restream', { url: fourth })
  await until('asked again', () => {
    const looks = context.server.requests.filter(({ line }) =>
      line.startsWith('GET /api/multistream/target/'),
    )
    return urlsAt(context).includes(fourth) && looks.length > 0
  })
  assert.is(urlsAt(context).filter(url => url === fourth).length, 1)
})

test('another key is another stream there, sent on as before; the old one and its targets are gone', async context => {
  const { server, host, address } = context
  const [old] = server.streams()
  const urls = urlsAt(context)
  const { body, status } = await api(context, 'POST', 'key')
  assert.is(status, 200)
  const [fresh] = server.streams()
  assert.is(server.streams().length, 1)
  assert.is.not(fresh?.id, old?.id)
  assert.is(body.ingest.rtmp.key, fresh?.streamKey)
  assert.is(
    (await hostGrant(host, address, grant => grant.ingest?.rtmp.key === fresh?.streamKey))
      .playbackUrl,
    body.playbackUrl,
  )
  await until('sent on again', () => fresh?.multistream?.targets?.length === urls.length)
  assert.equal(urlsAt(context), urls)
})

test('who deletes the settings turns them off', async context => {
  const { host, server } = context
  const event = await settings(context, { restream: [{ url: other }] }, { at: now() + 2 })
  await until('one there', () => urlsAt(context).length === 1)
  await host.publish({ kind: 5, tags: [['e', event.id]], content: '', created_at: now() + 3 })
  await until('none there', () => server.account.targets.size === 0)
  assert.equal((await api(context, 'GET', 'restream')).body.targets, [])
  assert.is((await api(context, 'GET', 'status')).body.phase, 'planned')
  await api(context, 'POST', 'restream', { url: twitch })
  await until('one again', () => urlsAt(context).length === 1)
})

test('after a restart the backend is told again', async context => {
  const { server, provider, dir, host } = context
  host.close()
  await context.relay.stop()
  const [stream] = server.streams()
  if (stream) stream.multistream = { targets: [] }
  server.account.targets.clear()
  context.relay = await livepeerRelay(provider, set, dir)
  context.host = await Person.connect(context.relay.url, host.secret)
  await until('there again', () => urlsAt(context).length === 1)
  assert.equal(urlsAt(context), [twitch])
})

test('metrics say how many watch at the provider itself', async context => {
  const [stream] = context.server.streams()
  context.server.account.views.set(stream?.playbackId ?? '', 7)
  const { body } = await api(context, 'GET', 'metrics')
  assert.equal(body.provider, { viewers: 7 })
})

test('the host deletes the announcement: neither stream nor targets nor settings stay', async context => {
  const { host, address, server, relay } = context
  await host.publish({ kind: 5, tags: [['a', address]], content: '', created_at: now() + 1 })
  await until('nothing there', () => server.streams().length === 0)
  await until('no targets', () => server.account.targets.size === 0)
  assert.equal(await relay.relay.store.list('stream-settings'), [])
  assert.equal(await relay.relay.store.events([{ kinds: [5652] }]), [])
  assert.is((await api(context, 'GET', 'status')).body.phase, 'deleted')
})

test.run()
