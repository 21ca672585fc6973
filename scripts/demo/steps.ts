import { setTimeout as sleep } from 'node:timers/promises'
import {
  announce,
  get,
  now,
  PaymentSession,
  Person,
  tag,
  walk,
} from '../../test/flows/independent.ts'
import { decodeVideo } from '../../test/media/decode.ts'
import { startPublisher } from '../../test/media/publisher.ts'
import type { Story } from './story.ts'

const PRICE = 50n
const PAYMENTS = 200

/** The host announces; the relay answers with where to send media. */
export async function announces(tale: Story): Promise<void> {
  tale.tell('\n2. A streamer announces a stream at 50 CREDIT a second')
  tale.host = await Person.connect(tale.relay.url)
  const began = performance.now()
  const { address, grant } = await announce(tale.host, 'demo', [String(PRICE), 'second', 'CREDIT'])
  tale.figure('announcement -> ingest details with the host', performance.now() - began, 500)
  tale.address = address
  tale.ingest = grant.ingest.rtmp
  tale.tell(
    `   OBS would be given ${tale.ingest.server} and a key of ${tale.ingest.key.length} characters`,
  )

  const refused = await get(grant.playbackUrl)
  tale.holds('the public URL answers 402 with the price', refused.status === 402, refused.text)
}

/** A real encoder pushes RTMP; the relay announces that the stream is live. */
export async function publishes(tale: Story): Promise<void> {
  tale.tell('\n3. The streamer pushes H.264 and AAC over RTMP')
  const live = tale.host.next(
    { kinds: [30311], '#a': [tale.address], since: now() - 1 },
    event => tag(event, 'status') === 'live',
    30_000,
  )
  tale.publisher = startPublisher({ url: `${tale.ingest.server}/${tale.ingest.key}` })
  await tale.publisher.publishing
  const began = performance.now()
  const companion = await live
  tale.figure('RTMP publish -> live announced', performance.now() - began, 5000)
  tale.holds('the relay speaks for itself, not for the host', companion.pubkey !== tale.host.pubkey)
}

/** A viewer opens a session, pays once and sees the first frame. */
export async function plays(tale: Story): Promise<void> {
  tale.tell('\n4. A viewer opens a session, pays for a few seconds and watches')
  const self = await relayPubkey(tale)
  tale.viewer = await Person.connect(tale.relay.url)
  const began = performance.now()
  tale.session = await PaymentSession.open(tale.viewer, self, tale.address, [
    String(PRICE),
    'second',
  ])
  await tale.session.pay(PRICE * 5n)
  const grant = await tale.session.grant()
  tale.figure('5610 -> 5611 -> 5612 -> 5613 -> grant', performance.now() - began, 1000)
  tale.playbackUrl = grant.playbackUrl
  const { init, segments } = await walk(grant.playbackUrl)
  const [head, body] = await Promise.all([get(init ?? ''), get(segments.at(-1) ?? '')])
  const { frames, width, height } = await decodeVideo(Buffer.concat([head.body, body.body]), 1)
  tale.figure('stream is live -> first frame decoded', performance.now() - began, 5000)
  tale.holds(`the frame is ${width}x${height}`, frames > 0 && width > 0)
}

/** Many small payments, each with its durable receipt. */
export async function pays(tale: Story): Promise<void> {
  tale.tell(`\n5. ${PAYMENTS} payments of 1 CREDIT, one after the other`)
  const took: number[] = []
  for (let i = 0; i < PAYMENTS; i++) {
    const began = performance.now()
    await tale.session.pay(1n)
    took.push(performance.now() - began)
  }
  took.sort((a, b) => a - b)
  tale.tell(`   p50 ${took[PAYMENTS / 2]?.toFixed(1)} ms (both sides' pure JS signatures included)`)
  tale.figure('5612 -> 5613, p99', took[Math.floor(PAYMENTS * 0.99)] ?? Infinity, 100)
}

/** The relay is killed in the middle of a payment load and comes back with what it acknowledged. */
export async function kills(tale: Story): Promise<void> {
  tale.tell('\n6. kill -9 while the viewer pays, then a restart')
  const secret = tale.viewer.secret
  let acknowledged = tale.session.total
  const paying = (async () => {
    for (;;) {
      const receipt = await tale.session.pay(1n)
      acknowledged = BigInt(tag(receipt, 'total_received') ?? 0)
    }
  })().catch(() => undefined)
  await sleep(200 + Math.random() * 300)
  await tale.relay.kill('SIGKILL')
  await tale.publisher.stop()
  tale.viewer.close()
  tale.host.close()
  await paying

  const hostSecret = tale.host.secret
  await tale.restart()
  tale.viewer = await Person.connect(tale.relay.url, secret)
  tale.host = await Person.connect(tale.relay.url, hostSecret)
  const receipt = await tale.viewer.next({ kinds: [5613], '#p': [tale.viewer.pubkey] })
  const received = BigInt(tag(receipt, 'total_received') ?? 0)
  tale.holds(
    `what was acknowledged (${acknowledged}) is there; at most the one in flight is more (${received})`,
    received === acknowledged || received === acknowledged + 1n,
  )
  tale.session.resume(tale.viewer, received, Number(tag(receipt, 'sequence')))
  const next = await tale.session.pay(1n)
  tale.holds(
    'the session goes on where it stood',
    tag(next, 'total_received') === String(received + 1n),
    tag(next, 'total_received'),
  )
}

/** The viewer stops paying; the video stops with it. */
export async function stops(tale: Story): Promise<void> {
  tale.tell(
    '\n7. The publisher reconnects with the same key; the viewer pays once more, then stops',
  )
  const { server } = (await announce(tale.host, 'other', ['1', 'second', 'CREDIT'])).grant.ingest
    .rtmp
  tale.publisher = startPublisher({ url: `${server}/${tale.ingest.key}` })
  const receipt = await playsAgain(tale)
  const grant = await tale.session.grant()
  let last = 200
  let stopped = 0
  for (const end = Date.now() + 40_000; Date.now() < end && last === 200; await sleep(250)) {
    const { status, segments } = await walk(grant.playbackUrl)
    last = status === 200 ? (await get(segments.at(-1) ?? '')).status : status
    stopped = Date.now()
  }
  const paidUntil = Number(tag(receipt, 'paid_until')) * 1000
  tale.holds('the next segment is refused with 402', last === 402, last)
  tale.figure('paid_until -> refused (grace included)', (stopped - paidUntil) / 1000, 5, 's')
}

/** Waits for the stream to be back, paid all the while; the last payment is made while it runs. */
async function playsAgain(tale: Story) {
  await tale.session.pay(PRICE)
  const grant = await tale.session.grant()
  for (const end = Date.now() + 20_000; ; await sleep(250)) {
    const { status } = await walk(grant.playbackUrl)
    if (status === 200 && (await isLive(tale))) return tale.session.pay(PRICE)
    if (Date.now() > end) throw new Error(`the stream did not come back: ${status}`)
  }
}

async function isLive(tale: Story): Promise<boolean> {
  const metrics = await get(`${tale.relay.http}/metrics`)
  return /sluice_streams\{status="live"\} [1-9]/.test(metrics.text)
}

async function relayPubkey(tale: Story): Promise<string> {
  const response = await fetch(tale.relay.http, { headers: { accept: 'application/nostr+json' } })
  return ((await response.json()) as { self: string }).self
}
