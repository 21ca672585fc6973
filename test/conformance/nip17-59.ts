import assert from 'node:assert/strict'
import { nip17 as messages, nip59 as wraps } from 'nostr-tools'
import { check, type Suite, unique } from './check.ts'
import { person } from './client.ts'

const WRAP = 1059

function wrapFor(recipient: ReturnType<typeof person>, text = unique()) {
  const sender = person()
  const event = messages.wrapEvent(sender.secret, { publicKey: recipient.pubkey }, text)
  return { sender, text, event: JSON.parse(JSON.stringify(event)) as typeof event }
}

/** Gift wraps go only to whom they are for, by whatever way they are asked for. Source: NIP-17, NIP-59. */
export const nip17: Suite = {
  name: 'nip17-59',
  nips: [17, 59],
  checks: [
    check('a stranger gets no wrap: not by kind, id, p, author or nothing', async relay => {
      const [writer, stranger] = [await relay.connect(), await relay.connect()]
      const recipient = person()
      const { event } = wrapFor(recipient)
      await writer.store(event)
      const filters = [
        { ids: [event.id] },
        { '#p': [recipient.pubkey] },
        { authors: [event.pubkey] },
        { kinds: [WRAP] },
        { kinds: [1, WRAP], '#p': [recipient.pubkey] },
        { limit: 5 },
      ]
      for (const filter of filters) {
        const found = await stranger.ids(filter).catch((): string[] => [])
        assert.ok(!found.includes(event.id), JSON.stringify(filter))
      }
    }),

    check('asking for wraps without AUTH is auth-required:', async relay => {
      const client = await relay.connect()
      const filter = { kinds: [WRAP], '#p': [person().pubkey] }
      assert.match(await client.closedFor('REQ', 'w', filter), /^auth-required:/)
      await client.challenge()
    }),

    check('the recipient, authenticated, gets it and can read it', async relay => {
      const [writer, reader] = [await relay.connect(), await relay.connect()]
      const recipient = person()
      const { event, sender, text } = wrapFor(recipient)
      await writer.store(event)
      await reader.login(recipient)
      const { events } = await reader.query('w', { kinds: [WRAP], '#p': [recipient.pubkey] })
      assert.equal(events.length, 1)
      const rumor = wraps.unwrapEvent(event, recipient.secret)
      assert.deepEqual([rumor.content, rumor.pubkey], [text, sender.pubkey])
    }),

    check('authenticated as another, one gets none', async relay => {
      const [writer, other] = [await relay.connect(), await relay.connect()]
      const recipient = person()
      const { event } = wrapFor(recipient)
      await writer.store(event)
      await other.login(person())
      const found = await other.ids({ kinds: [WRAP], '#p': [recipient.pubkey] }).catch(() => [])
      assert.deepEqual(found, [])
      assert.deepEqual(await other.ids({ ids: [event.id] }).catch(() => []), [])
    }),

    check(
      'COUNT tells a stranger nothing',
      async relay => {
        const [writer, stranger] = [await relay.connect(), await relay.connect()]
        const recipient = person()
        await writer.store(wrapFor(recipient).event)
        for (const filter of [
          { '#p': [recipient.pubkey] },
          { kinds: [WRAP], '#p': [recipient.pubkey] },
        ]) {
          const count = await stranger.count(filter).catch(() => ({ count: 0 }))
          assert.equal(count.count, 0)
        }
      },
      ({ info }) => (info.supported_nips?.includes(45) ? undefined : 'the relay does not count'),
    ),

    check('live wraps go to the recipient and to nobody else', async relay => {
      const [writer, reader, stranger] = [
        await relay.connect(),
        await relay.connect(),
        await relay.connect(),
      ]
      const recipient = person()
      await reader.login(recipient)
      await stranger.login(person())
      await reader.query('w', { '#p': [recipient.pubkey] })
      await stranger.query('p', { '#p': [recipient.pubkey] }).catch(() => undefined)
      await writer.query('w', { '#p': [recipient.pubkey] }).catch(() => undefined)
      const { event } = wrapFor(recipient)
      await writer.store(event)
      assert.equal((await reader.live('w')).id, event.id)
      await stranger.quiet('p')
      await writer.quiet('w', 0)
    }),

    check('a subscription of before AUTH sees what AUTH allows', async relay => {
      const [writer, reader] = [await relay.connect(), await relay.connect()]
      const recipient = person()
      await reader.query('early', { '#p': [recipient.pubkey] })
      await reader.login(recipient)
      const { event } = wrapFor(recipient)
      await writer.store(event)
      const { events } = await reader.query('late', { '#p': [recipient.pubkey] })
      assert.deepEqual(
        events.map(found => found.id),
        [event.id],
      )
    }),

    check('the recipient can delete a wrap that is for them', async relay => {
      const client = await relay.connect()
      const recipient = person()
      const { event } = wrapFor(recipient)
      await client.store(event)
      await client.login(recipient)
      await client.store(recipient.sign({ kind: 5, tags: [['e', event.id]] }))
      assert.deepEqual(await client.ids({ kinds: [WRAP], '#p': [recipient.pubkey] }), [])
    }),

    check('ephemeral wraps (21059) are not stored', async relay => {
      const client = await relay.connect()
      const recipient = person()
      await client.login(recipient)
      await client.query('w', { kinds: [21_059], '#p': [recipient.pubkey] })
      const event = person().sign({ kind: 21_059, tags: [['p', recipient.pubkey]] })
      await client.publish(event)
      assert.equal((await client.live('w')).id, event.id)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    }),

    check('a rumor without signature is refused', async relay => {
      const client = await relay.connect()
      const rumor = wraps.createRumor({ kind: 14, content: unique() }, person().secret)
      client.send('EVENT', rumor)
      const answer = await client.next(m => ['OK', 'NOTICE'].includes(m[0]), 'refusal')
      assert.notEqual(answer[2], true)
    }),
  ],
}
