import assert from 'node:assert/strict'
import { check, now, unique } from './check.ts'
import { person } from './client.ts'

export const liveChecks = [
  check('EOSE ends the stored events, once', async relay => {
    const client = await relay.connect()
    const author = person()
    await client.store(author.sign({ kind: 1 }))
    const { events } = await client.query('s', { authors: [author.pubkey] })
    assert.equal(events.length, 1)
    await client.store(author.sign({ kind: 1, content: 'more' }))
    await client.live('s')
    assert.ok(!client.inbox.some(message => message[0] === 'EOSE' && message[1] === 's'))
  }),

  check('an incomplete subscription stays open after EOSE', async relay => {
    const [reader, writer] = [await relay.connect(), await relay.connect()]
    const author = person()
    await reader.query('s', { authors: [author.pubkey] })
    const event = author.sign({ kind: 1, content: unique() })
    await writer.store(event)
    assert.deepEqual(await reader.live('s'), event)
    await reader.quiet('s')
  }),

  check('a complete subscription gets CLOSED or silence', async relay => {
    const [reader, writer] = [await relay.connect(), await relay.connect()]
    const author = person()
    const event = author.sign({ kind: 1, created_at: now() - 60 })
    await writer.store(event)
    await reader.query('id', { ids: [event.id] })
    await reader.query('past', { authors: [author.pubkey], until: now() - 30 })
    await writer.store(author.sign({ kind: 1, content: 'new' }))
    await reader.quiet('id')
    await reader.quiet('past', 0)
  }),

  check('a live event goes only where a filter matches', async relay => {
    const [reader, writer] = [await relay.connect(), await relay.connect()]
    const author = person()
    const tag = unique()
    await reader.query('yes', { kinds: [1], authors: [author.pubkey], '#t': [tag] })
    await reader.query('or', { kinds: [7], authors: [author.pubkey] }, { '#t': [tag] })
    await reader.query('kind', { kinds: [7], authors: [author.pubkey], '#t': [tag] })
    await reader.query('tag', { authors: [author.pubkey], '#t': [unique()] })
    await reader.query('time', { authors: [author.pubkey], since: now() + 600 })
    const event = author.sign({ kind: 1, tags: [['t', tag]] })
    await writer.store(event)
    for (const id of ['yes', 'or']) assert.equal((await reader.live(id)).id, event.id)
    await reader.quiet('kind')
    for (const id of ['yes', 'or', 'tag', 'time']) await reader.quiet(id, 0)
  }),

  check('CLOSE ends a subscription', async relay => {
    const client = await relay.connect()
    const author = person()
    await client.query('s', { authors: [author.pubkey] })
    await client.query('fence', { authors: [author.pubkey] })
    client.send('CLOSE', 's')
    await client.store(author.sign({ kind: 1 }))
    await client.live('fence')
    await client.quiet('s')
  }),

  check('a REQ with an id in use replaces the subscription', async relay => {
    const client = await relay.connect()
    const [old, fresh] = [person(), person()]
    await client.query('s', { authors: [old.pubkey] })
    await client.query('s', { authors: [fresh.pubkey] })
    await client.store(old.sign({ kind: 1 }), fresh.sign({ kind: 1 }))
    assert.equal((await client.live('s')).pubkey, fresh.pubkey)
    await client.quiet('s')
  }),

  check("subscription ids are each connection's own", async relay => {
    const [one, two] = [await relay.connect(), await relay.connect()]
    const author = person()
    await one.query('same', { authors: [author.pubkey] })
    await two.query('same', { authors: [author.pubkey], kinds: [7] })
    two.send('CLOSE', 'same')
    await one.store(author.sign({ kind: 1 }))
    await one.live('same')
  }),

  check(
    'a subscription id of 64 characters works; none, or a longer one, is refused',
    async relay => {
      const client = await relay.connect()
      await client.query('x'.repeat(64), { kinds: [1], limit: 1 })
      const most = Math.max(64, Number(relay.info.limitation?.max_subid_length ?? 64))
      for (const id of ['', 'x'.repeat(most + 1)]) {
        client.send('REQ', id, { kinds: [1], limit: 1 })
        await client.next(
          message => message[0] === 'NOTICE' || (message[0] === 'CLOSED' && message[1] === id),
          `refusal of an id of ${id.length} characters`,
        )
      }
      await client.alive()
    },
  ),

  check('an event is seen live once by a subscription that matches twice', async relay => {
    const client = await relay.connect()
    const author = person()
    const tag = unique()
    await client.query('s', { authors: [author.pubkey] }, { '#t': [tag] }, { '#t': [tag, 'x'] })
    await client.store(
      author.sign({
        kind: 1,
        tags: [
          ['t', tag],
          ['t', 'x'],
        ],
      }),
    )
    await client.live('s')
    await client.quiet('s')
  }),

  check('an event that was refused is not delivered', async relay => {
    const client = await relay.connect()
    const author = person()
    await client.query('s', { authors: [author.pubkey] })
    const event = author.sign({ kind: 1 })
    await client.refused({ ...event, sig: '1'.repeat(128) })
    await client.quiet('s')
  }),
]
