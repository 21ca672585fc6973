/** Media that stops although the provider calls the stream active: nobody pays for it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { streamClock } from '../../plugins/live-stream/stream.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'
import { type Provider, provider, until } from './provider.ts'
import { hostGrant, type LivepeerRelay, livepeerRelay, Person, say } from './relay.ts'

interface Context {
  provider: Provider
  relay: LivepeerRelay
  host: Person
  publisher: Publisher
  address: string
  url: string
}
const test = suite<Context>('media that stalls')

test.before(async context => {
  process.env.LIVEPEER_BASE_URL = ''
  context.provider = await provider()
  context.relay = await livepeerRelay(context.provider, ['liveStream.livepeer.stallSeconds=5'])
  context.host = await Person.connect(context.relay.url)
  context.address = await say(context.host, 'stalls', 'planned')
  const grant = await hostGrant(context.host, context.address)
  context.url = grant.playbackUrl
  const { server, key } = grant.ingest.rtmp
  context.publisher = startPublisher({ url: `${server}/${key}` })
})
test.after(async ({ publisher, host, relay, provider }) => {
  await publisher.kill()
  host.close()
  await relay.stop()
  await provider.close()
})

test('the clock stands from the last new media on, and runs again with the next', async context => {
  const { relay, provider, address } = context
  const status = async () => (await relay.stream(address))?.status
  await until('live', async () => (await status()) === 'live')
  provider.own?.faults.add({ on: /^GET \/node\/hls\//, times: 1e9, how: { status: 404 } })
  const stalledAt = Date.now()
  await until('reconnecting', async () => (await status()) === 'reconnecting')
  assert.ok(provider.own?.streams()[0]?.isActive, 'the provider still calls it active')
  const stream = await relay.stream(address)
  assert.ok(stream?.seenAt)
  assert.ok((stream.seenAt ?? 0) <= stalledAt + 500, 'nothing was seen after it stalled')
  assert.is(streamClock(stream, Date.now()), streamClock(stream, Date.now() + 60_000))
  provider.own?.faults.clear()
  await until('live again', async () => (await status()) === 'live')
})

test('while the provider answers nothing but errors, a viewer hears 503 and the stream plays on after it', async context => {
  const { provider, url } = context
  const status = async () => {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.status
  }
  await until('plays', async () => (await status()) === 200)
  provider.own?.faults.add({ on: /^GET \/(node\/)?hls\//, times: 1e9, how: { status: 502 } })
  await until('unavailable', async () => (await status()) === 503)
  provider.own?.faults.clear()
  await until('plays again', async () => (await status()) === 200)
})

test.run()
