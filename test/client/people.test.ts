import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { findStreams, followStream, recordings } from '../../client/discover.ts'
import { ApiRefused, RelayRefused } from '../../client/errors.ts'
import { follows } from '../../client/follows.ts'
import { host } from '../../client/host.ts'
import { hostApi } from '../../client/host-api.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { moderation } from '../../client/moderation.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { SessionState } from '../../client/session.ts'
import type { Stream } from '../../client/stream-book.ts'
import { qualityRequestTemplate } from '../../client/templates.ts'
import { tip } from '../../client/tip.ts'
import { viewer } from '../../client/viewer.ts'
import { kinds, parseAnnouncement } from '../../events/index.ts'
import { publicId } from '../../plugins/live-stream/lifecycle.ts'
import { naddrOf, watchPath } from '../../web/app/format.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { until } from './until.ts'

/** Host, viewers and the relay's HTTP API around one stream, against the real relay; no media. */
interface Context {
  relay: TestRelay
  self: string
  streamer: RelayClient
  watcher: RelayClient
  troll: RelayClient
  address: string
}
const test = suite<Context>('people around a stream')
const show = {
  d: 'jazz',
  status: 'planned' as const,
  title: 'Jazz at night',
  hashtags: ['music'],
  price: { amount: 10n, unit: 'second' as const, asset: 'CREDIT' },
}

test.before(async context => {
  context.relay = await startRelay()
  const { url } = context.relay
  context.self = (await relayInfo(url)).self
  const client = () =>
    new RelayClient(url, { connect: connectNode, signer: new LocalSigner(generateSecret()) })
  context.streamer = client()
  context.watcher = client()
  context.troll = client()
  context.address = await host(context.streamer, context.self).announce(show)
})
test.after(async ({ relay, streamer, watcher, troll }) => {
  for (const one of [streamer, watcher, troll]) one.close()
  await relay.stop()
})

async function refused(
  work: Promise<unknown>,
  type: new (...args: never[]) => Error,
): Promise<string> {
  try {
    await work
  } catch (error) {
    assert.instance(error, type)
    return (error as Error).message
  }
  throw new Error('it was not refused')
}

test('the relay tells its rails, and finds streams by words', async ({
  relay,
  self,
  streamer,
  watcher,
}) => {
  const { rails } = await relayInfo(relay.url)
  assert.equal(rails, [{ id: 'credit', asset: 'CREDIT', scale: 0, redeemable: false }])
  await until(async () => (await findStreams(watcher, self, 'night')).length === 1)
  assert.equal(await findStreams(watcher, self, 'morning'), [])
  const me = await streamer.signer.pubkey()
  assert.equal(await recordings(watcher, self, me), [])
  assert.is((await follows(watcher, me)).size, 0)
  await watcher.send({
    kind: kinds.Follows,
    created_at: Math.floor(Date.now() / 1000),
    tags: [
      ['p', me],
      ['p', 'x'],
    ],
    content: '',
  })
  assert.equal([...(await follows(watcher, await watcher.signer.pubkey()))], [me])
})

test('a tip pays for one message, which everybody sees as paid', async ({
  self,
  watcher,
  troll,
  address,
}) => {
  const heard: (readonly Said[])[] = []
  const stop = chat(troll, [address]).follow(messages => heard.push(messages))
  const payment = await tip(watcher, self, { address }, 50n, 'CREDIT')
  assert.is(payment.amount, 50n)
  const stolen = await refused(chat(troll, [address]).say('Mine!', { payment }), RelayRefused)
  assert.match(stolen, 'no receipt of yours')
  await chat(watcher, [address]).say('Bravo!', { payment })
  await until(() => heard.at(-1)?.[0]?.payment?.amount === 50n)
  const again = await refused(chat(watcher, [address]).say('Again!', { payment }), RelayRefused)
  assert.match(again, 'already paid for a message')
  const poor = await refused(tip(troll, self, { address }, 5_000n, 'CREDIT'), RelayRefused)
  assert.match(poor, 'Your balance is 1000 CREDIT')
  stop()
})

test('hosts pin, take out and mute; others cannot', async ({
  streamer,
  watcher,
  troll,
  address,
}) => {
  const seen: (readonly Said[])[] = []
  const stop = chat(watcher, [address]).follow(messages => seen.push(messages))
  const texts = () => seen.at(-1)?.map(({ text }) => text) ?? []
  const spam = await chat(troll, [address]).say('buy my coins')
  await until(() => texts().includes('buy my coins'))
  const [said] = seen.at(-1)?.filter(({ id }) => id === spam.id) ?? []
  if (!said) throw new Error('the message is not there')

  // A viewer's report is for the operator; a host's own takes the message out.
  await chat(watcher, [address]).report(said, 'spam')
  assert.ok(texts().includes('buy my coins'))
  await chat(streamer, [address]).report(said, 'spam')
  await until(() => !texts().includes('buy my coins'))

  await moderation(streamer, address).pin(said.id)
  const read = async () => {
    const [event] = await watcher.query([{ kinds: [kinds.LiveStream], '#d': ['jazz'] }])
    return event && parseAnnouncement(event)
  }
  const pinned = await read()
  assert.is(pinned?.ok && pinned.value.pinned, said.id)
  assert.is(pinned?.ok && pinned.value.title, show.title)
  await moderation(streamer, address).pin(undefined)
  const unpinned = await read()
  assert.is(unpinned?.ok && unpinned.value.pinned, undefined)
  await refused(moderation(watcher, address).pin(said.id), Error)

  const me = await troll.signer.pubkey()
  await moderation(streamer, address).mute(me)
  const muted = await refused(chat(troll, [address]).say('hey'), RelayRefused)
  assert.match(muted, 'muted you')
  await moderation(streamer, address).unmute(me)
  await chat(troll, [address]).say('thank you')
  await until(() => texts().includes('thank you'))

  // Each takes back what is its own.
  const mine = await chat(watcher, [address]).say('oops')
  await until(() => texts().includes('oops'))
  await chat(watcher, [address]).unsay(mine.id)
  await until(() => !texts().includes('oops'))
  stop()
})

test('another quality is asked for and granted, where it is paid for and there', async ({
  self,
  watcher,
  troll,
  address,
}) => {
  const states: SessionState[] = []
  const stream = await new Promise<Stream>(resolve => {
    const stop = followStream(watcher, self, address, found => {
      if (!found) return
      resolve(found)
      setTimeout(() => stop())
    })
  })
  const session = await viewer(watcher, self).open(stream, {
    onChange: state => states.push(state),
  })
  assert.match(await refused(session.requestQuality('480p'), RelayRefused), 'Nothing is paid yet')
  session.pay()
  await until(() => states.at(-1)?.grant !== undefined)
  const before = states.at(-1)?.grant?.token
  assert.match(await refused(session.requestQuality('4k'), RelayRefused), 'This stream comes in')
  assert.match(await refused(session.requestQuality('best'), RelayRefused), 'is none of source')
  await session.requestQuality('480p')
  await until(() => states.at(-1)?.grant?.token !== before)
  const foreign = qualityRequestTemplate({
    session: session.id,
    payee: self,
    address,
    quality: '480p',
    createdAt: Math.floor(Date.now() / 1000),
  })
  assert.match(await refused(troll.send(foreign), RelayRefused), 'no session of yours')
  await session.close()
})

test('what a stream earns, and a ticket to it, is for its host alone', async ({
  relay,
  self,
  streamer,
  watcher,
  address,
}) => {
  const id = publicId(address)
  const mine = hostApi(relay.http, streamer.signer, id)
  const theirs = hostApi(relay.http, watcher.signer, id)
  const earnings = await mine.earnings()
  // Nine tenths of the tip of 50.
  assert.equal(earnings, {
    asset: 'CREDIT',
    earned: 45n,
    earnedInAll: 45n,
    milliPerSecond: 0n,
    paying: 0,
    previewing: 0,
  })
  // Another show of the same host has earned nothing of it.
  const other = `${kinds.LiveStream}:${await streamer.signer.pubkey()}:other`
  await host(streamer, self).announce({ ...show, d: 'other' })
  const others = hostApi(relay.http, streamer.signer, publicId(other))
  assert.equal(await others.earnings(), { ...earnings, earned: 0n })
  assert.match(await refused(theirs.earnings(), ApiRefused), 'Only the host')
  assert.match(await refused(theirs.ticket(), ApiRefused), 'Only the host')
  const { playbackUrl } = await mine.ticket()
  // There is no media, but the gate is open: a stranger hears 402 where the host hears 404.
  assert.is((await fetch(playbackUrl)).status, 404)
  assert.is((await fetch(`${relay.http}/p/${id}/master.m3u8`)).status, 402)
  const nobody = hostApi(relay.http, streamer.signer, '0'.repeat(32))
  assert.match(await refused(nobody.earnings(), ApiRefused), 'no such stream')
})

test('other sites find how to show a stream (oEmbed)', async ({ relay, address }) => {
  const page = relay.http + watchPath(address)
  const html = await (await fetch(page)).text()
  const link = /<link rel="alternate" type="application\/json\+oembed" href="([^"]+)">/.exec(
    html,
  )?.[1]
  const url = (link ?? '').replaceAll('&amp;', '&')
  const answer = (await (await fetch(`${url}&maxwidth=320`)).json()) as Record<string, unknown>
  assert.is(answer.type, 'video')
  assert.is(answer.title, show.title)
  assert.is(answer.width, 320)
  assert.match(
    String(answer.html),
    `<iframe src="${relay.http}/embed/${naddrOf(address)}" width="320"`,
  )
  const ask = (of: string) => fetch(`${relay.http}/oembed?url=${encodeURIComponent(of)}`)
  for (const foreign of [
    'https://elsewhere.example/watch/naddr1x',
    `${relay.http}/`,
    '',
    `${page}"><script>`,
  ])
    assert.is((await ask(foreign)).status, 404, foreign)
  assert.is((await fetch(`${url.replace('format=json', 'format=xml')}`)).status, 501)
})

test.run()
