/**
 * What a host and its viewers wait for with media = "livepeer": `node --import tsx scripts/bench/livepeer.ts`. The
 * provider is our test server, 100 ms away, with real media.
 */

import { now, Person, tag } from '../../test/flows/independent.ts'
import { provider } from '../../test/livepeer/provider.ts'
import { hostGrant, livepeerRelay, say } from '../../test/livepeer/relay.ts'
import { startPublisher } from '../../test/media/publisher.ts'

const ANNOUNCEMENTS = 50
const LATENCY_MS = 100

const one = await provider({ latencyMs: LATENCY_MS })
const relay = await livepeerRelay(one, [
  'liveStream.livepeer.record=true',
  'liveStream.livepeer.requestsPerSecond=50',
  'liveStream.maxStreamsPerHost=1000',
])
const host = await Person.connect(relay.url)
const viewer = await Person.connect(relay.url)
try {
  // 1. Announcement -> ingest details: two requests to the provider, one after the other.
  await hostGrant(host, await say(host, 'warm', 'planned'))
  const took: number[] = []
  for (let i = 0; i < ANNOUNCEMENTS; i++) {
    const began = performance.now()
    await hostGrant(host, await say(host, `show-${i}`, 'planned'))
    took.push(performance.now() - began)
  }
  took.sort((a, b) => a - b)
  const at = (share: number) => Math.round(took[Math.ceil(took.length * share) - 1] ?? 0)
  console.log(
    `announcement -> ingest details, provider ${LATENCY_MS} ms away: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  )

  // 2. Media flows -> live announced, with the second that the host's own client has to say it first.
  const address = await say(host, 'live', 'planned')
  const { server, key } = (await hostGrant(host, address)).ingest.rtmp
  const publisher = startPublisher({ url: `${server}/${key}` })
  await publisher.publishing
  const flowing = performance.now()
  const told = (status: string, more = '') =>
    viewer.next(
      { kinds: [30311], '#a': [address], since: now() - 5 },
      event => tag(event, 'status') === status && (more === '' || !!tag(event, more)),
      60_000,
    )
  await told('live')
  console.log(`media flows -> live announced: ${Math.round(performance.now() - flowing)} ms`)

  // 3. The host ends it -> its recording is announced.
  await publisher.stop()
  await say(host, 'live', 'ended')
  const over = performance.now()
  await told('ended', 'recording')
  console.log(`ended -> recording announced: ${Math.round(performance.now() - over)} ms`)
} finally {
  host.close()
  viewer.close()
  await relay.stop()
  await one.close()
}
