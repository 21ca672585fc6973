/** The relay against a naive matcher: the same answers, stored and live, and no gap or double where they meet. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Filter, NostrEvent } from '../../events/index.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { matches } from '../relay/naive.ts'
import { type Client, connect, type Person, pause, person } from './client.ts'

const RUNS = Number(process.env.SLUICE_DIFFERENTIAL_RUNS ?? 300)
const START = Math.floor(Date.now() / 1000) - 5000
const authors = [person(), person(), person(), person()]
const strangers = [person().pubkey, 'f'.repeat(64)]
const kinds = [1, 7, 1111, 9999]
const values = ['a', 'b', 'A', '', 'ü', "'"]

const list = <T>(items: readonly T[]) => fc.subarray([...items], { minLength: 1 })
const time = fc.integer({ min: START - 1, max: START + 9 })
const template = fc.record({
  kind: fc.constantFrom(...kinds),
  created_at: fc.integer({ min: START, max: START + 8 }),
  content: fc.base64String({ minLength: 8, maxLength: 8 }),
  tags: fc.array(fc.tuple(fc.constantFrom('t', 'T', 'x', 'word'), fc.constantFrom(...values)), {
    maxLength: 4,
  }),
})
const signed = fc
  .tuple(fc.constantFrom(...authors), template)
  .map(([author, fields]: [Person, typeof template extends fc.Arbitrary<infer T> ? T : never]) =>
    author.sign(fields),
  )

function filterOver(ids: readonly string[]): fc.Arbitrary<Filter> {
  return fc.record(
    {
      ids: fc.subarray([...ids, 'e'.repeat(64)], {
        minLength: 1,
        maxLength: Math.min(20, ids.length + 1),
      }),
      authors: list([...authors.map(author => author.pubkey), ...strangers]),
      kinds: list([...kinds, 2]),
      '#t': list(values),
      '#T': list(values),
      '#x': list(values),
      since: time,
      until: time,
      limit: fc.integer({ min: 0, max: 40 }),
    },
    { requiredKeys: [] },
  )
}

const newestFirst = (x: NostrEvent, y: NostrEvent) =>
  y.created_at - x.created_at || (x.id < y.id ? -1 : 1)

/** What NIP-01 says a REQ finds: of each filter the newest `limit`, each event once. */
function expected(filters: readonly Filter[], events: readonly NostrEvent[]): string[] {
  const found = new Set<NostrEvent>()
  for (const filter of filters) {
    const hits = events.filter(event => matches(filter, event)).sort(newestFirst)
    for (const event of hits.slice(0, filter.limit ?? 500)) found.add(event)
  }
  return [...found].sort(newestFirst).map(event => event.id)
}

async function publishAll(client: Client, events: readonly NostrEvent[]): Promise<void> {
  await Promise.all(events.map(event => client.store(event as Parameters<Client['store']>[0])))
}

const test = suite<{ relay: TestRelay; client: Client; events: NostrEvent[] }>('differential')
test.before(async context => {
  context.relay = await startRelay({ plugins: [] })
  context.client = await connect(context.relay.url)
  context.events = fc.sample(signed, 400)
  await publishAll(context.client, context.events)
})
test.after(async ({ relay, client }) => {
  client.close()
  await relay.stop()
})

test('stored events: any filters find what the naive matcher finds', async ({ client, events }) => {
  const filters = fc.array(filterOver(events.map(event => event.id)), {
    minLength: 1,
    maxLength: 4,
  })
  await fc.assert(
    fc.asyncProperty(filters, async asked => {
      const found = await client.ids(...asked)
      const wanted = expected(asked, events)
      // NIP-01 orders the answer to one filter; of several it says what, not in which order.
      if (asked.length === 1) assert.equal(found, wanted)
      else assert.equal([...found].sort(), [...wanted].sort())
      if (asked.every(filter => filter.limit === undefined))
        assert.is((await client.count(...asked)).count, wanted.length)
    }),
    { numRuns: RUNS },
  )
})

test('live events: each subscription gets what matches, once, in order', async ({ relay }) => {
  const [reader, writer] = [await connect(relay.url), await connect(relay.url)]
  const asked = fc.sample(fc.array(filterOver([]), { minLength: 1, maxLength: 3 }), 60)
  for (const [i, filters] of asked.entries())
    await reader.query(`s${i}`, ...filters.map(filter => ({ ...filter, limit: 0 })))
  const fresh = fc.sample(signed, 200)
  for (const event of fresh) await writer.store(event)
  await reader.alive()
  await pause(300)
  for (const [i, filters] of asked.entries()) {
    const heard = reader.inbox
      .filter(message => message[0] === 'EVENT' && message[1] === `s${i}`)
      .map(message => (message[2] as NostrEvent).id)
    const wanted = fresh.filter(event => filters.some(filter => matches(filter, event)))
    assert.equal(
      heard,
      wanted.map(event => event.id),
      JSON.stringify(filters),
    )
  }
  reader.close()
  writer.close()
})

test('where stored and live meet, with writers running, nothing is missing or double', async ({
  relay,
}) => {
  const people = [person(), person(), person(), person()]
  const writers = await Promise.all(people.map(() => connect(relay.url)))
  const readers = await Promise.all(Array.from({ length: 12 }, () => connect(relay.url)))
  const filter = { authors: people.map(who => who.pubkey) }
  // Fewer than the relay's 500 of one answer, so that every subscription is owed all of them.
  const written: string[] = []
  const writing = writers.map(async (writer, w) => {
    for (let i = 0; i < 110; i++) {
      const event = (people[w] as Person).sign({ kind: 1, content: `${w} ${i}` })
      written.push(event.id)
      await writer.store(event)
    }
  })
  const reading = readers.map(async (reader, r) => {
    for (let i = 0; i < 6; i++) {
      await pause(r * 3 + i * 7)
      reader.send('REQ', `${i}`, { ...filter, limit: 500 }, { ...filter, kinds: [1], limit: 500 })
    }
  })
  await Promise.all([...writing, ...reading])
  const last = (people[0] as Person).sign({ kind: 1, content: 'last' })
  await writers[0]?.store(last)
  written.push(last.id)
  for (const reader of readers) {
    for (let i = 0; i < 6; i++) {
      await reader.next(m => m[0] === 'EOSE' && m[1] === `${i}`, 'EOSE')
      const isMine = (m: unknown[]) => m[0] === 'EVENT' && m[1] === `${i}`
      for (let wait = 0; wait < 100; wait++) {
        if (reader.inbox.some(m => isMine(m) && (m[2] as NostrEvent).id === last.id)) break
        await pause(20)
      }
      const heard = reader.inbox.filter(isMine).map(m => (m[2] as NostrEvent).id)
      assert.is(new Set(heard).size, heard.length, 'an event came twice')
      assert.equal(heard.sort(), [...written].sort())
    }
  }
  for (const client of [...writers, ...readers]) client.close()
})

test.run()
