import assert from 'node:assert/strict'
import type { Event } from 'nostr-tools'
import { check, hex64, now, type RelayUnderTest, unique } from './check.ts'
import { type Client, person } from './client.ts'

/** Two authors, two kinds, two tags, five seconds: enough to tell every field of a filter apart. */
async function corpus(relay: RelayUnderTest) {
  const client = await relay.connect()
  const [a, b] = [person(), person()]
  const [one, two] = [unique(), unique()]
  const mentioned = hex64()
  const at = now() - 1000
  const events = [
    a.sign({ kind: 1, created_at: at, tags: [['t', one]] }),
    a.sign({
      kind: 1,
      created_at: at + 1,
      tags: [
        ['t', two],
        ['p', mentioned],
      ],
    }),
    b.sign({
      kind: 1,
      created_at: at + 2,
      tags: [
        ['t', one],
        ['t', two],
      ],
    }),
    a.sign({
      kind: 7,
      created_at: at + 3,
      tags: [
        ['t', one],
        ['p', mentioned],
      ],
    }),
    b.sign({
      kind: 7,
      created_at: at + 4,
      tags: [
        ['e', mentioned],
        ['t', one],
      ],
    }),
  ]
  await client.store(...events)
  const authors = [a.pubkey, b.pubkey]
  return { client, events, a, b, authors, one, two, mentioned, at }
}

/** The filter finds exactly these, by their places in the corpus, newest first. */
async function finds(client: Client, events: Event[], places: number[], ...filters: object[]) {
  const expected = places.map(place => events[place]?.id)
  assert.deepEqual(await client.ids(...filters), expected, JSON.stringify(filters))
}

export const queryChecks = [
  check('find by id', async relay => {
    const { client, events } = await corpus(relay)
    await finds(client, events, [2], { ids: [events[2]?.id] })
    await finds(client, events, [3, 0], { ids: [events[0]?.id, events[3]?.id, hex64()] })
  }),
  check('find by author', async relay => {
    const { client, events, a, authors } = await corpus(relay)
    await finds(client, events, [3, 1, 0], { authors: [a.pubkey] })
    await finds(client, events, [4, 3, 2, 1, 0], { authors })
  }),
  check('find by author and kind', async relay => {
    const { client, events, a, b } = await corpus(relay)
    await finds(client, events, [1, 0], { authors: [a.pubkey], kinds: [1] })
    await finds(client, events, [4], { authors: [b.pubkey], kinds: [7, 6] })
  }),
  check('find by author and tag', async relay => {
    const { client, events, a, b, one, two } = await corpus(relay)
    await finds(client, events, [3, 0], { authors: [a.pubkey], '#t': [one] })
    await finds(client, events, [2], { authors: [b.pubkey], '#t': [two] })
  }),
  check('find by kind and tags', async relay => {
    const { client, events, one, two } = await corpus(relay)
    await finds(client, events, [2, 0], { kinds: [1], '#t': [one] })
    await finds(client, events, [2, 1, 0], { kinds: [1], '#t': [one, two] })
  }),
  check('find by tags alone', async relay => {
    const { client, events, one, mentioned } = await corpus(relay)
    await finds(client, events, [4, 3, 2, 0], { '#t': [one] })
    await finds(client, events, [3, 1], { '#p': [mentioned] })
    await finds(client, events, [4], { '#e': [mentioned] })
  }),
  check('several tags of one filter are all needed', async relay => {
    const { client, events, one, mentioned } = await corpus(relay)
    await finds(client, events, [3], { '#t': [one], '#p': [mentioned] })
    await finds(client, events, [], { '#e': [mentioned], '#p': [mentioned] })
  }),
  check('several filters are a union, each event once', async relay => {
    const { client, events, a, one, mentioned } = await corpus(relay)
    const { events: found } = await client.query(
      'u',
      { authors: [a.pubkey], kinds: [1] },
      { '#t': [one], kinds: [1] },
      { '#e': [mentioned] },
    )
    const ids = found.map(event => event.id).sort()
    assert.deepEqual(ids, [4, 2, 1, 0].map(place => events[place]?.id).sort())
  }),
  check('scrape: a filter without conditions is answered or refused', async relay => {
    const client = await relay.connect()
    client.send('REQ', 's', { limit: 5 })
    const [type] = await client.next(
      m => (m[0] === 'EOSE' || m[0] === 'CLOSED') && m[1] === 's',
      'EOSE or CLOSED',
    )
    const heard = client.inbox.filter(m => m[0] === 'EVENT' && m[1] === 's').length
    assert.ok(heard <= 5)
    if (type === 'EOSE') await client.alive()
  }),
  check('newest first; at equal times the lowest id first', async relay => {
    const client = await relay.connect()
    const author = person()
    const at = now() - 500
    const events = Array.from({ length: 12 }, (_, i) =>
      author.sign({ kind: 1, created_at: at + (i % 3), content: `${i}` }),
    )
    await client.store(...events)
    const expected = events
      .sort((x, y) => y.created_at - x.created_at || (x.id < y.id ? -1 : 1))
      .map(event => event.id)
    assert.deepEqual(await client.ids({ authors: [author.pubkey] }), expected)
    assert.deepEqual(await client.ids({ authors: [author.pubkey], limit: 6 }), expected.slice(0, 6))
  }),
  check('since and until are inclusive', async relay => {
    const { client, events, authors, at } = await corpus(relay)
    await finds(client, events, [4, 3, 2], { authors, since: at + 2 })
    await finds(client, events, [2, 1, 0], { authors, until: at + 2 })
    await finds(client, events, [3, 2, 1], { authors, since: at + 1, until: at + 3 })
    await finds(client, events, [2], { authors, since: at + 2, until: at + 2 })
    await finds(client, events, [], { authors, since: at + 3, until: at + 2 })
  }),
  check('limit gives the newest', async relay => {
    const { client, events, authors } = await corpus(relay)
    await finds(client, events, [4, 3], { authors, limit: 2 })
    await finds(client, events, [4, 3, 2, 1, 0], { authors, limit: 400 })
  }),
  check('limit holds for each filter of its own', async relay => {
    const { client, events, a, b } = await corpus(relay)
    const { events: found } = await client.query(
      'l',
      { authors: [a.pubkey], limit: 1 },
      { authors: [b.pubkey], limit: 1 },
    )
    assert.deepEqual(found.map(event => event.id).sort(), [events[4]?.id, events[3]?.id].sort())
  }),
  check('limit 0 gives nothing stored and everything live', async relay => {
    const { client, a } = await corpus(relay)
    const { events } = await client.query('z', { authors: [a.pubkey], limit: 0 })
    assert.deepEqual(events, [])
    const fresh = a.sign({ kind: 1, content: 'live' })
    await client.store(fresh)
    assert.equal((await client.live('z')).id, fresh.id)
  }),
  check('limit says nothing about live events', async relay => {
    const { client, a } = await corpus(relay)
    await client.query('n', { authors: [a.pubkey], limit: 1 })
    for (const content of ['1', '2', '3']) await client.store(a.sign({ kind: 1, content }))
    for (const content of ['1', '2', '3']) assert.equal((await client.live('n')).content, content)
  }),
  check('a tag value is matched whole and by case, and only as the first value', async relay => {
    const client = await relay.connect()
    const value = `a${unique()}`
    const event = person().sign({
      kind: 1,
      tags: [
        ['t', value, 'second'],
        ['word', value],
      ],
    })
    await client.store(event)
    assert.deepEqual(await client.ids({ '#t': [value] }), [event.id])
    for (const other of [value.toUpperCase(), value.slice(0, -1), `${value}x`, ''])
      assert.deepEqual(await client.ids({ '#t': [other], authors: [event.pubkey] }), [], other)
    assert.deepEqual(await client.ids({ '#t': ['second'], authors: [event.pubkey] }), [])
    assert.deepEqual(await client.ids({ '#T': [value] }), [])
  }),
  check('upper-case single-letter tags are indexed as well', async relay => {
    const client = await relay.connect()
    const value = unique()
    const event = person().sign({
      kind: 1111,
      tags: [
        ['E', value],
        ['K', '1'],
      ],
    })
    await client.store(event)
    const other = person().sign({ kind: 1, tags: [['Z', value]] })
    await client.store(other)
    assert.deepEqual(await client.ids({ '#Z': [value] }), [other.id])
    assert.deepEqual(await client.ids({ '#z': [value] }), [])
  }),
  check('malformed filters are refused with CLOSED, not answered', async relay => {
    const client = await relay.connect()
    const bad = [
      { ids: ['abcd'] },
      { authors: ['F'.repeat(64)] },
      { kinds: ['1'] },
      { since: 'yesterday' },
      { limit: -1 },
      { ids: 'no list' },
    ]
    for (const [i, filter] of bad.entries()) {
      client.send('REQ', `bad${i}`, filter)
      const answer = await client.next(
        m => m[0] === 'NOTICE' || (m[0] === 'CLOSED' && m[1] === `bad${i}`),
        `refusal of ${JSON.stringify(filter)}`,
      )
      assert.ok(answer)
    }
    await client.alive()
  }),
]
