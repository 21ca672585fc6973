/** Where no webhook reaches us, polls make the same transitions; and the relay tells the provider of its webhook. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startPublisher } from '../media/publisher.ts'
import { provider, until } from './provider.ts'
import { hostGrant, livepeerRelay, Person, say } from './relay.ts'

process.env.LIVEPEER_BASE_URL = ''

test('without webhooks a stream goes live, reconnects, ends and has its recording, all by polls', async () => {
  const one = await provider({ webhooks: false })
  const relay = await livepeerRelay(one, [
    'liveStream.livepeer.record=true',
    'liveStream.ghostSeconds=3',
  ])
  const host = await Person.connect(relay.url)
  const address = await say(host, 'polled', 'planned')
  const { server, key } = (await hostGrant(host, address)).ingest.rtmp
  const publisher = startPublisher({ url: `${server}/${key}` })
  const status = async () => (await relay.stream(address))?.status
  try {
    const hook = await fetch(`${relay.http}/webhooks/livepeer`, { method: 'POST', body: '{}' })
    assert.is(hook.status, 404, 'there is no route without a secret')
    await until('live', async () => (await status()) === 'live')

    // What the provider finds wrong reaches the host, and that it is well again.
    const [stream] = one.own?.streams() ?? []
    Object.assign(stream ?? {}, { isHealthy: false, issues: ['the bitrate is too low'] })
    const told = await hostGrant(host, address, grant => grant.problem !== undefined)
    assert.match(told.problem ?? '', /unhealthy: the bitrate is too low/)
    assert.is(told.ingest.rtmp.key, key, 'its key still holds')
    Object.assign(stream ?? {}, { isHealthy: true, issues: null })
    await hostGrant(host, address, grant => !!grant.ingest && grant.problem === undefined)

    await publisher.stop()
    await until('ended', async () => (await status()) === 'ended')
    await until('recorded', async () => (await relay.stream(address))?.recording, 60)
    assert.is(one.own?.cannon.deliveries.length, 0)
    assert.is(one.own?.streams().length, 1, 'its host may come back with the same key')
  } finally {
    await publisher.kill()
    host.close()
    await relay.stop()
    await one.close()
  }
})

test('the relay registers its webhook where it is told to', async () => {
  const one = await provider()
  const set = ['liveStream.livepeer.webhookUrl=https://relay.example/webhooks/livepeer']
  const webhooks = () => [...(one.own?.account.webhooks.values() ?? [])]
  const registered = () => webhooks().filter(({ url }) => url.startsWith('https://'))
  const first = await livepeerRelay(one, set)
  await until('registered', () => registered().length === 1)
  await first.stop()
  const [hook] = registered()
  assert.is(hook?.sharedSecret, one.own?.webhookSecret)
  assert.ok(hook?.events.includes('stream.started'))
  assert.match(hook?.name ?? '', /^sluice\//)
  await one.close()
})

test.run()
