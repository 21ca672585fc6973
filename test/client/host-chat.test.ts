import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { followStream } from '../../client/discover.ts'
import { NotASluice } from '../../client/errors.ts'
import { host } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { Stream } from '../../client/stream-book.ts'
import {
  grantTemplate,
  type HostGrant,
  kinds,
  parseAnnouncement,
  parseChatMessage,
  parseStreamSettings,
  tagValue,
} from '../../events/index.ts'
import { until } from './until.ts'
import { type WireServer, wireServer } from './wire-server.ts'

const self = new LocalSigner(generateSecret())
const me = new LocalSigner(generateSecret())
const test = suite<{ server: WireServer; relay: RelayClient }>('host and chat')

test.before.each(async context => {
  context.server = await wireServer(await self.pubkey())
  context.relay = new RelayClient(context.server.url, { connect: connectNode, signer: me })
})
test.after.each(async ({ server, relay }) => {
  relay.close()
  await server.close()
})

test('the relay says who it is; a server that does not is no Sluice', async ({ server }) => {
  assert.is((await relayInfo(server.url)).self, await self.pubkey())
  const other = await wireServer('')
  try {
    await relayInfo(other.url)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, NotASluice)
  } finally {
    await other.close()
  }
})

test('where a stream is sent on to goes to the relay alone', async ({ relay, server }) => {
  const mine = host(relay, await self.pubkey())
  const address = `${kinds.LiveStream}:${await me.pubkey()}:jazz`
  const restream = [{ name: 'Elsewhere', url: 'rtmp://live.example.com/app/KEY' }]
  await mine.restream(address, restream)
  const [event] = server.received
  if (!event) throw new Error('nothing came')
  const said = parseStreamSettings(event)
  assert.ok(said.ok && said.value.relay === (await self.pubkey()) && said.value.address === address)
  assert.not.match(JSON.stringify(event), /KEY|Elsewhere/)
  const content = await self.decrypt(await me.pubkey(), event.content)
  assert.equal(JSON.parse(content), { restream })
  const foreign = { ...event, pubkey: await self.pubkey() }
  assert.not(parseStreamSettings(foreign).ok, 'only its host')
})

test('an announcement says what the host said, and each version is newer', async ({
  relay,
  server,
}) => {
  const mine = host(relay, await self.pubkey())
  const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
  const show = {
    d: 'jazz',
    status: 'planned' as const,
    title: 'Jazz',
    price,
    freePreviewSeconds: 30,
  }
  const address = await mine.announce(show)
  assert.is(address, `${kinds.LiveStream}:${await me.pubkey()}:jazz`)
  await mine.end(show)
  const [first, second] = server.received
  const said = first && parseAnnouncement(first)
  assert.ok(said?.ok)
  if (said?.ok) {
    assert.equal(said.value.price, price)
    assert.is(said.value.freePreviewSeconds, 30)
    assert.is(said.value.status, 'planned')
  }
  assert.is(second && tagValue(second, 'status'), 'ended')
  assert.ok((second?.created_at ?? 0) > (first?.created_at ?? 0))
})

test('the host reads where to send media; a viewer’s grant is not that', async ({
  relay,
  server,
}) => {
  const pubkey = await me.pubkey()
  const address = `${kinds.LiveStream}:${pubkey}:jazz`
  const grants: HostGrant[] = []
  await host(relay, await self.pubkey()).onIngest(address, grant => grants.push(grant))
  const content: HostGrant = {
    ingest: { rtmp: { server: 'rtmp://127.0.0.1/live', key: 'k' } },
    playbackUrl: 'http://127.0.0.1/p/x/master.m3u8',
  }
  const now = Math.floor(Date.now() / 1000)
  for (const role of ['viewer', 'host'] as const) {
    const sealed = await self.encrypt(pubkey, JSON.stringify(content))
    const times = { createdAt: now, expiresAt: now + 60 }
    const template = grantTemplate({ grantee: pubkey, address, role, ...times, content: sealed })
    server.put(await self.sign(template))
  }
  await until(() => grants.length > 0)
  assert.equal(grants, [content])
})

test('what is said in a chat is heard there, and not elsewhere', async ({ relay, server }) => {
  const address = `${kinds.LiveStream}:${await me.pubkey()}:jazz`
  const heard: Said[] = []
  const elsewhere: Said[] = []
  const room = chat(relay, [address])
  const stop = room.listen(said => heard.push(said))
  chat(relay, [`${address}-2`]).listen(said => elsewhere.push(said))
  const event = await room.say('<b>hello</b>')
  assert.ok(parseChatMessage(event).ok)
  await until(() => heard.length === 1)
  assert.is(heard[0]?.text, '<b>hello</b>')
  assert.is(elsewhere.length, 0)
  stop()
  server.onEvent = () => 'blocked: the host of this stream has muted you'
  try {
    await room.say('again')
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'The host of this stream has muted you.')
  }
})

test('a followed stream is told when it is unknown, and when it comes', async ({ relay }) => {
  const address = `${kinds.LiveStream}:${await me.pubkey()}:jazz`
  const told: (Stream | undefined)[] = []
  followStream(relay, await self.pubkey(), address, stream => told.push(stream))
  await until(() => told.length === 1)
  assert.is(told[0], undefined)
  await host(relay, await self.pubkey()).announce({ d: 'jazz', status: 'planned', title: 'Jazz' })
  await until(() => told.length === 2)
  assert.is(told[1]?.title, 'Jazz')
})

test.run()
