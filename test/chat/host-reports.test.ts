/** A host's report takes a message out of its chat: for every client, and out of no other chat. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { manage } from '../../client/api.ts'
import { LocalSigner } from '../../client/local-signer.ts'
import { kinds } from '../../events/index.ts'
import { hostReports } from '../../plugins/live-chat/host-reports.ts'
import { publicId } from '../../plugins/live-stream/lifecycle.ts'
import { streamIds, streams } from '../../plugins/live-stream/stream.ts'
import { connect, type Person, person, startRelay, type TestRelay } from '../harness.ts'
import { until } from '../livepeer/provider.ts'
import { liveStream, openStore, payee } from '../payments/bench.ts'
import { unsigned } from '../relay/naive.ts'

const admin = person()
const test = suite<{ relay: TestRelay }>("a host's reports")
test.before(async context => {
  context.relay = await startRelay({
    set: ['liveChat.burst=20', `management.admins=["${admin.pubkey}"]`],
  })
})
test.after(({ relay }) => relay.stop())

const price = { amount: 1n, unit: 'second' } as const
const say = (who: Person, addresses: readonly string[], content = 'buy my coins') =>
  who.sign({ kind: kinds.LiveChat, content, tags: addresses.map(address => ['a', address]) })
const report = (who: Person, ...ids: string[]) =>
  who.sign({ kind: kinds.Report, tags: ids.map(id => ['e', id, 'spam']) })

test('what the host reports is gone on every verb, and is not taken again while the report stands', async ({
  relay,
}) => {
  const [host, viewer, troll] = [person(), person(), person()]
  const client = await connect(relay.url)
  const stream = liveStream(host.pubkey, price)
  const { store, self } = relay.relay
  await store.transaction(async tx => {
    await streams.put(tx, stream.address, stream)
    await streamIds.put(tx, stream.id, { address: stream.address })
  })
  const companion = `${kinds.LiveStream}:${self}:${stream.id}`
  const messages = [say(troll, [stream.address]), say(troll, [companion]), say(viewer, [companion])]
  for (const event of messages) assert.equal(await client.publish(event), [true, ''])
  const [bad, worse, fine] = messages.map(({ id }) => id)
  assert.ok(bad && worse && fine)

  // 1. A viewer's report goes to the operator; the host's takes out.
  assert.equal(await client.publish(report(viewer, bad)), [true, ''])
  const signer = new LocalSigner(Buffer.from(admin.secret).toString('hex'))
  const waiting = await manage(relay.http, signer, 'listeventsneedingmoderation')
  assert.equal(waiting, [{ id: bad, reason: 'spam' }])
  const standing = report(host, bad, worse)
  assert.equal(await client.publish(standing), [true, ''])
  await until('taken out', async () => !(await store.event(worse)))
  const filter = { kinds: [kinds.LiveChat], '#a': [stream.address, companion] }
  for (const filters of [filter, { ids: [bad, worse, fine] }, { authors: [troll.pubkey] }])
    assert.equal(
      (await client.req('r', filters)).map(({ id }) => id).filter(id => id !== fine),
      [],
    )
  client.send(['COUNT', 'c', filter])
  assert.equal((await client.next(m => m[0] === 'COUNT'))[2], { count: 1 })
  const again = 'blocked: the host of this stream took this message out of the chat'
  for (const event of messages.slice(0, 2))
    assert.equal(await client.publish(event), [false, again])
  assert.equal(await client.publish(messages[2] as (typeof messages)[0]), [true, ''])

  // 2. It waits for no verdict of the operator's any more.
  const listed = await manage(relay.http, signer, 'listeventsneedingmoderation')
  assert.equal(listed, [])

  // 3. Who takes a report back lets the author say it again.
  const back = host.sign({ kind: kinds.Deletion, tags: [['e', standing.id]] })
  assert.equal(await client.publish(back), [true, ''])
  assert.equal(await client.publish(messages[0] as (typeof messages)[0]), [true, ''])
  client.close()
})

test("naming the companion escapes neither the host's mutes nor a chat for viewers", async ({
  relay,
}) => {
  const [host, troll, other] = [person(), person(), person()]
  const client = await connect(relay.url)
  const { store, self } = relay.relay
  const closed = { ...liveStream(other.pubkey, price), chat: 'grant' as const }
  const open = liveStream(host.pubkey, price)
  await store.transaction(async tx => {
    for (const stream of [open, closed]) {
      await streams.put(tx, stream.address, stream)
      await streamIds.put(tx, stream.id, { address: stream.address })
    }
  })
  const companionOf = ({ id }: { id: string }) => `${kinds.LiveStream}:${self}:${id}`
  await client.publish(host.sign({ kind: kinds.MuteList, tags: [['p', troll.pubkey]] }))
  const muted = await client.publish(say(troll, [companionOf(open)]))
  assert.equal(muted, [false, 'blocked: the host of this stream has muted you'])
  assert.equal(await client.publish(say(other, [companionOf(open)])), [true, ''])
  const stranger = await client.publish(say(troll, [companionOf(closed)]))
  assert.match(stranger[1], /^restricted: chat on this stream is for viewers/)
  assert.equal(await client.publish(say(other, [companionOf(closed)])), [true, ''])
  client.close()
})

test('any report by anybody: out goes what was said in rooms of the reporter alone', async () => {
  const { store, close } = openStore()
  const { host } = payee(store)
  const reports = hostReports(host)
  const people = ['1', '2', '3'].map(digit => digit.repeat(64))
  const shows = people.slice(0, 2).map(pubkey => liveStream(pubkey, price))
  await store.transaction(async tx => {
    for (const { address, id } of shows) await streamIds.put(tx, id, { address })
    for (const stream of shows) await streams.put(tx, stream.address, stream)
  })
  /** Each room, and whose it is. */
  const rooms: [address: string, owner: string][] = [
    ...shows.map(({ address, host: owner }): [string, string] => [address, owner]),
    ...shows.map(({ id, host: owner }): [string, string] => [
      `${kinds.LiveStream}:${host.self}:${id}`,
      owner,
    ]),
    [`30312:${people[2]}:room`, people[2] ?? ''],
    [`${kinds.LiveStream}:${host.self}:${publicId('unknown')}`, host.self],
  ]
  const message = fc.record({
    rooms: fc.uniqueArray(fc.constantFrom(...rooms), { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom(kinds.LiveChat, kinds.LiveChat, 1),
  })
  const property = fc.asyncProperty(
    fc.array(message, { minLength: 1, maxLength: 6 }),
    fc.constantFrom(...people, host.self),
    async (said, pubkey) => {
      const events = said.map(({ kind, rooms: named }) =>
        unsigned({ kind, tags: named.map(([address]) => ['a', address]) }),
      )
      await store.transaction(async tx => {
        for (const event of events) await tx.putEvent(event)
      })
      const tags = events.map(({ id }) => ['e', id])
      const one = unsigned({ kind: kinds.Report, pubkey, tags })
      const goes = ({ kind, rooms: named }: (typeof said)[number]): boolean =>
        kind === kinds.LiveChat && named.every(([, owner]) => owner === pubkey)
      assert.is(await reports.when(one, store), said.some(goes))
      // At least once: twice is the same.
      for (let i = 0; i < 2; i++) await reports.run(one)
      for (const [i, event] of events.entries())
        assert.is(!(await store.event(event.id)), goes(said[i] as (typeof said)[number]))
    },
  )
  await fc.assert(property, { numRuns: 40 })
  await close()
})

test.run()
