import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds, type NostrEvent } from '../../events/index.ts'
import { announce, Person as Client, PaymentSession } from '../flows/independent.ts'
import {
  connect,
  type Person,
  person,
  startRelay,
  type TestClient,
  type TestRelay,
} from '../harness.ts'

const test = suite<{ relay: TestRelay; client: TestClient; host: Person; show: string }>(
  'live chat',
)
const YEARS = 10 * 365 * 86_400

test.before(async context => {
  context.relay = await startRelay({
    set: [`events.rejectEventsOlderThanSeconds=${YEARS}`, 'liveChat.burst=2'],
  })
  context.client = await connect(context.relay.url)
  context.host = person()
  context.show = `30311:${context.host.pubkey}:show`
})
test.after(async ({ client, relay }) => {
  client.close()
  await relay.stop()
})

const say = (who: Person, address: string, content = 'hello', tags: string[][] = []) =>
  who.sign({ kind: kinds.LiveChat, content, tags: [['a', address], ...tags] })

test('real announcements and messages from public repositories are accepted', async ({
  client,
}) => {
  const file = new URL('../fixtures/nip53-real-events.json', import.meta.url)
  const fixtures = JSON.parse(readFileSync(file, 'utf8')) as { event: NostrEvent; source: string }[]
  const seen = new Map<string, string[]>()
  for (const { event, source } of fixtures) {
    client.send(['EVENT', event])
    const [, , ok, msg] = await client.next(m => m[0] === 'OK' && m[1] === event.id)
    // One author of the collection speaks three times in a row: the pace is judged by arrival.
    const paced = String(msg).startsWith('rate-limited:')
    assert.ok(ok || paced, `${source}: ${msg}`)
    if (!ok) seen.set(event.id, [source])
  }
  assert.ok(seen.size < fixtures.length / 4, `${seen.size} of ${fixtures.length} were rate-limited`)
})

test('a message without a stream, without a text or too long is refused with a sentence', async ({
  client,
  show,
}) => {
  const who = person()
  const cases: [NostrEvent, RegExp][] = [
    [who.sign({ kind: kinds.LiveChat, content: 'x' }), /^invalid: .*a tag/],
    [say(who, '30311:abc:show'), /^invalid: .*a tag/],
    [say(who, show, ' \n '), /^invalid: .*text/],
    [say(who, show, '🎬'.repeat(501)), /^invalid: .*at most 500 characters, this one 501/],
    [say(who, show, 'x', [['e', 'abc']]), /^invalid: e "abc"/],
    [say(who, show, 'x', [['payment', 'abc', '5']]), /^invalid: payment/],
  ]
  for (const [event, sentence] of cases) {
    const [ok, msg] = await client.publish(event as Parameters<TestClient['publish']>[0])
    assert.is(ok, false)
    assert.match(msg, sentence)
  }
  assert.equal(await client.publish(say(who, show, '🎬'.repeat(500))), [true, ''])
})

test('who talks too fast is asked to wait; others are not', async ({ client, show }) => {
  const loud = person()
  assert.equal(await client.publish(say(loud, show, '1')), [true, ''])
  assert.equal(await client.publish(say(loud, show, '2')), [true, ''])
  assert.match((await client.publish(say(loud, show, '3')))[1], /^rate-limited:/)
  assert.equal(await client.publish(say(person(), show, '4')), [true, ''])
  const other = `30311:${person().pubkey}:other`
  assert.equal(await client.publish(say(loud, other, '5')), [true, ''])
})

test("the host's mutes hold on the host's stream, from the moment they are published", async ({
  client,
  host,
  show,
}) => {
  const troll = person()
  assert.equal(await client.publish(say(troll, show, 'before')), [true, ''])
  await client.publish(host.sign({ kind: kinds.MuteList, tags: [['p', troll.pubkey]] }))
  assert.match((await client.publish(say(troll, show, 'after')))[1], /^blocked: the host/)
  const other = `30311:${person().pubkey}:other`
  assert.equal(await client.publish(say(troll, other, 'elsewhere')), [true, ''])
})

test('a chat for viewers is for viewers with a grant, and for the host', async ({
  client,
  host,
}) => {
  const now = Math.floor(Date.now() / 1000)
  const tags = [
    ['d', 'closed'],
    ['status', 'planned'],
    ['starts', String(now)],
    ['chat', 'grant'],
  ]
  assert.equal(await client.publish(host.sign({ kind: kinds.LiveStream, tags })), [true, ''])
  const address = `30311:${host.pubkey}:closed`
  const [ok, msg] = await client.publish(say(person(), address))
  assert.not(ok)
  assert.is(msg, 'restricted: chat on this stream is for viewers with a grant')
  assert.equal(await client.publish(say(host, address, 'welcome')), [true, ''])
})

test('a paid message needs a receipt of its author for this stream', async ({ client, show }) => {
  const message = say(person(), show, 'look at me', [['payment', 'a'.repeat(64), '5']])
  assert.match((await client.publish(message))[1], /^restricted: the payment tag names no receipt/)
})

test('a tip pays for one message, at once and for good; a payment for watching pays for none', async ({
  client,
  relay,
}) => {
  const streamer = await Client.connect(relay.url)
  const fan = await Client.connect(relay.url)
  const { address } = await announce(streamer, 'tips', ['10', 'second', 'CREDIT'])
  const { self } = relay.relay
  const watching = await PaymentSession.open(fan, self, address, ['10', 'second'])
  const video = await watching.pay(50n)
  const tipping = await PaymentSession.open(fan, self, address, ['0', 'second'], 'tip')
  const receipt = await tipping.pay(50n)
  const shout = async (id: string, amount: string, text: string): Promise<[boolean, string]> => {
    const tags = [
      ['a', address],
      ['payment', id, amount],
    ]
    for (;;) {
      const said = await client.publish(fan.sign({ kind: kinds.LiveChat, content: text, tags }))
      if (!said[1].startsWith('rate-limited:')) return said
      await sleep(300)
    }
  }
  assert.match((await shout(video.id, '50', 'one'))[1], /names no receipt of yours for a tip/)
  assert.match((await shout(receipt.id, '51', 'two'))[1], /the receipt says 50, the message 51$/)
  assert.equal(await shout(receipt.id, '50', 'three'), [true, ''])
  assert.match((await shout(receipt.id, '50', 'four'))[1], /already paid for a message/)
  fan.close()
  streamer.close()
})

test.run()
