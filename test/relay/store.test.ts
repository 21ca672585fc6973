import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addressOf, type Filter, kinds, type NostrEvent, parseAddress } from '../../events/index.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { matches, silent, unsigned } from './naive.ts'

const test = suite<{ dir: string; store: RelayStore }>('sqlite store')
let clockMs = 1_700_000_000_000
const clock = { now: () => clockMs }
const open = (dir: string) => openSqliteStore({ dir, clock, log: silent })

test.before.each(context => {
  clockMs = 1_700_000_000_000
  context.dir = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  context.store = open(context.dir)
})
test.after.each(async ({ dir, store }) => {
  await store.close()
  rmSync(dir, { recursive: true })
})

const idsOf = async (store: RelayStore, filters: Filter[]): Promise<string[]> =>
  (await store.query(filters, { maxLimit: 500 })).raws.map(
    raw => (JSON.parse(raw) as NostrEvent).id,
  )

test('an event put is there, once, and after a reopen', async context => {
  const event = unsigned({ content: 'a "quoted" text\n', tags: [['t', 'x']] })
  assert.is(await context.store.putEvent(event), 'stored')
  assert.is(await context.store.putEvent(event), 'duplicate')
  await context.store.close()
  context.store = open(context.dir)
  assert.equal(await context.store.event(event.id), event)
  assert.equal(await idsOf(context.store, [{ '#t': ['x'] }]), [event.id])
})

test('a transaction that throws takes only itself down', async ({ store }) => {
  const event = unsigned({})
  const results = await Promise.allSettled([
    store.transaction(tx => tx.put('c', 'a', '1')),
    store.transaction(async tx => {
      await tx.putEvent(event)
      await tx.put('c', 'b', '2')
      throw new Error('no')
    }),
    store.transaction(tx => tx.put('c', 'c', '3')),
  ])
  assert.equal(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.is(await store.event(event.id), undefined)
  assert.equal(await store.list('c'), [
    { key: 'a', value: '1' },
    { key: 'c', value: '3' },
  ])
})

test('a transaction reads what the one before it wrote, and its own writes', async ({ store }) => {
  const add = () =>
    store.transaction(async tx => {
      await tx.put('n', 'k', String(Number((await tx.get('n', 'k')) ?? 0) + 1))
      return tx.get('n', 'k')
    })
  assert.equal(
    await Promise.all(Array.from({ length: 50 }, add)),
    Array.from({ length: 50 }, (_, i) => String(i + 1)),
  )
})

test('a tx cannot be used after its transaction', async ({ store }) => {
  const tx = await store.transaction(tx => tx)
  assert.throws(() => tx.put('c', 'k', 'v'), /is over/)
})

test('a transaction that waits for the world is cut off, and the next ones run', async ({
  store,
}) => {
  const stuck = store.transaction(() => new Promise(() => {}))
  const next = store.transaction(tx => tx.put('c', 'k', 'v'))
  let why = ''
  await stuck.catch(error => {
    why = error.message
  })
  assert.match(why, /longer than/)
  await next
  assert.is(await store.get('c', 'k'), 'v')
})

test('documents are listed in byte order, by prefix, from either end', async ({ store }) => {
  const keys = ['a', 'a:1', 'a:2', 'b', 'é', '𝄞', '￿']
  await store.transaction(async tx => {
    for (const key of [...keys].reverse()) await tx.put('c', key, key)
  })
  const list = async (options: object) => (await store.list('c', options)).map(row => row.key)
  assert.equal(
    await list({}),
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  )
  assert.equal(await list({ prefix: 'a:' }), ['a:1', 'a:2'])
  assert.equal(await list({ prefix: 'a', after: 'a:1' }), ['a:2'])
  assert.equal(await list({ prefix: 'a', reverse: true, limit: 1 }), ['a:2'])
  assert.equal(await list({ prefix: 'a', reverse: true, after: 'a:2', limit: 5 }), ['a:1', 'a'])
})

test('a job asked for again while it runs runs again; one that is done is gone', async ({
  store,
}) => {
  const plugin = store.forPlugin('p')
  await plugin.transaction(tx => tx.enqueue({ name: 'n', key: 'k', payload: 'first' }))
  const [job] = await store.jobs.claim(clockMs, 10)
  assert.is(job?.payload, 'first')
  assert.equal(await store.jobs.claim(clockMs, 10), [])
  await plugin.transaction(tx => tx.enqueue({ name: 'n', key: 'k', payload: 'second' }))
  if (job) await store.jobs.done(job)
  const [again] = await store.jobs.claim(clockMs, 10)
  assert.is(again?.payload, 'second')
  if (again) await store.jobs.done(again)
  assert.equal(await store.jobs.claim(clockMs, 10), [])
})

test('a held job is run again after a restart; a failed one when it is due; a dead one never', async context => {
  const plugin = context.store.forPlugin('p')
  await plugin.transaction(tx => tx.enqueue({ name: 'n', key: 'k', runAt: clockMs }))
  assert.is((await context.store.jobs.claim(clockMs, 1)).length, 1)
  await context.store.close()
  context.store = open(context.dir)
  const [job] = await context.store.jobs.claim(clockMs, 1)
  assert.ok(job)
  // Backoff with jitter gives fractions of a millisecond.
  await context.store.jobs.failed(job, 'no', clockMs + 999.4)
  assert.equal(await context.store.jobs.claim(clockMs, 1), [])
  assert.is(await context.store.jobs.nextAt(), clockMs + 1000)
  const [retry] = await context.store.jobs.claim(clockMs + 1000, 1)
  assert.is(retry?.attempts, 1)
  if (retry) await context.store.jobs.failed(retry, 'no', undefined)
  assert.equal(await context.store.jobs.claim(clockMs + 9999, 1), [])
  assert.equal(await context.store.jobs.counts(), { waiting: 0, dead: 1 })
})

test('stored events make jobs for those who asked, in the same transaction', async ({ store }) => {
  const late = { plugin: 'r', when: (event: NostrEvent) => event.content === 'for r' }
  store.jobsFor(kind => (kind === 1 ? [{ plugin: 'p' }, { plugin: 'q' }, late] : []))
  const event = unsigned({ kind: 1 })
  await store.transaction(tx => tx.putEvent(event).valueOf()).catch(() => undefined)
  await store
    .transaction(async tx => {
      await tx.putEvent(unsigned({ kind: 1, content: 'undone' }))
      throw new Error('no')
    })
    .catch(() => undefined)
  const claimed = await store.jobs.claim(clockMs, 10)
  assert.equal(
    claimed.map(({ plugin, name, payload }) => ({ plugin, name, payload })),
    ['p', 'q'].map(plugin => ({ plugin, name: 'onStored', payload: event.id })),
  )
})

test('a transaction that throws takes only itself down, and its neighbours are run again', async ({
  store,
}) => {
  const events = [1, 2, 3].map(n => unsigned({ kind: 1, content: `neighbour ${n}` }))
  const runs = [0, 0, 0]
  const outcomes = await Promise.allSettled(
    events.map((event, i) =>
      store.transaction(async tx => {
        runs[i] = (runs[i] ?? 0) + 1
        await tx.put('neighbour', String(i), event.id)
        await tx.putEvent(event)
        if (i === 1) throw new Error('the second fails')
      }),
    ),
  )
  assert.equal(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal(runs, [2, 2, 1])
  assert.equal(
    (await store.list('neighbour')).map(({ key }) => key),
    ['0', '2'],
  )
  assert.equal(
    events.map(({ id }) => store.has(id)),
    [true, false, true],
  )
})

test('what was committed is handed on in order, each once, after it is durable', async ({
  store,
}) => {
  const seen: number[] = []
  store.onCommit(events => seen.push(...events.map(event => event.seq)))
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => store.putEvent(unsigned({ content: `${i}` }))),
  )
  assert.equal(
    seen,
    [...seen].sort((a, b) => a - b),
  )
  assert.is(new Set(seen).size, 200)
})

test('expired events are not served, and taken out', async ({ store }) => {
  const soon = unsigned({ tags: [['expiration', '1700000010']] })
  const odd = unsigned({ tags: [['expiration', 'tomorrow']] })
  await store.putEvent(soon)
  await store.putEvent(odd)
  assert.is((await idsOf(store, [{}])).length, 2)
  clockMs += 10_000
  assert.equal(await idsOf(store, [{}]), [odd.id])
  assert.is(await store.removeExpired(1_700_000_010), 1)
  assert.is(await store.event(soon.id), undefined)
})

test('hidden events use up no limit, and count for nobody', async ({ store }) => {
  for (let i = 0; i < 30; i++)
    await store.putEvent(
      unsigned({ kind: i % 3 ? kinds.AccessGrant : 1, created_at: 1_600_000_000 + i }),
    )
  const visibility = { kinds: new Set<number>([kinds.AccessGrant]), test: () => false }
  const { raws, complete } = await store.query([{ limit: 10 }], { maxLimit: 500, visibility })
  assert.is(raws.length, 10)
  assert.not(complete)
  assert.equal(await store.count([{}, { kinds: [1] }], { visibility, max: 1000 }), { count: 10 })
  assert.equal(await store.count([{}], { max: 1000 }), { count: 30 })
})

const authors = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)]
const someKinds = [1, 7, 1311, 0, 10002, 30311]
const tag = fc.tuple(
  fc.constantFrom('t', 'p', 'T', 'd', 'long'),
  fc.constantFrom('x', 'y', 'z', ''),
)
const event = fc
  .record({
    pubkey: fc.constantFrom(...authors),
    kind: fc.constantFrom(...someKinds),
    created_at: fc.integer({ min: 1_600_000_000, max: 1_600_000_008 }),
    tags: fc.array(tag, { maxLength: 4 }),
    content: fc.string({ maxLength: 3 }),
  })
  .map(unsigned)
const some = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 })
const filter = (events: NostrEvent[]) =>
  fc.record(
    {
      ids: fc.subarray(
        events.map(e => e.id),
        { maxLength: Math.min(5, events.length) },
      ),
      authors: some(authors),
      kinds: some(someKinds),
      '#t': some(['x', 'y', 'z', '']),
      '#p': some(['x', 'y']),
      '#T': some(['x', 'z']),
      since: fc.integer({ min: 1_599_999_999, max: 1_600_000_008 }),
      until: fc.integer({ min: 1_600_000_000, max: 1_600_000_009 }),
      limit: fc.integer({ min: 0, max: 12 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Filter>

const newestFirst = (a: NostrEvent, b: NostrEvent) =>
  b.created_at - a.created_at || (a.id < b.id ? -1 : 1)

/** What NIP-01 leaves of a set of events, whatever their order. */
function survivors(events: NostrEvent[]): NostrEvent[] {
  const kept = new Map<string, NostrEvent>()
  for (const one of [...events].sort(newestFirst)) {
    const key = addressOf(one) ?? one.id
    if (!kept.has(key)) kept.set(key, one)
  }
  return [...kept.values()].sort(newestFirst)
}

test('any filters over any events give what a naive matcher gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 60 }).chain(events =>
        fc.tuple(
          fc.constant(events),
          fc.array(fc.array(filter(events), { minLength: 1, maxLength: 3 }), {
            minLength: 8,
            maxLength: 8,
          }),
        ),
      ),
      async ([events, requests]) => {
        const dir = mkdtempSync(join(tmpdir(), 'sluice-store-'))
        const store = open(dir)
        try {
          await Promise.all(events.map(one => store.putEvent(one)))
          const there = survivors(events)
          for (const filters of requests) {
            const expected = new Set<string>()
            for (const one of filters)
              for (const hit of there.filter(e => matches(one, e)).slice(0, one.limit ?? 500))
                expected.add(hit.id)
            const sorted = there.filter(e => expected.has(e.id)).map(e => e.id)
            assert.equal(await idsOf(store, filters), sorted, JSON.stringify(filters))
            const counted = there.filter(e => filters.some(one => matches(one, e))).length
            assert.is((await store.count(filters, { max: 1000 })).count, counted)
          }
        } finally {
          await store.close()
          rmSync(dir, { recursive: true })
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('filters of thousands of values, and of the same value twice, give what a naive matcher gives', async ({
  store,
}) => {
  const events = Array.from({ length: 400 }, (_, i) =>
    unsigned({
      kind: i % 3,
      pubkey: (i % 7).toString(16).repeat(64),
      created_at: 1_600_000_000 + (i % 50),
      tags: [
        ['t', `${i % 90}`],
        ['t', `${(i * 7) % 90}`],
        ['e', `${i % 11}`],
        ['d', `${i}`],
      ],
    }),
  ).filter(event => event.kind === 1 || event.kind === 2)
  await Promise.all(events.map(event => store.putEvent(event)))
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)
  const numbers = (count: number) => upTo(count).map(Number)
  const filters: Filter[] = [
    { '#t': upTo(20_000) },
    { '#t': upTo(64) },
    { '#t': upTo(65) },
    { '#t': upTo(70), since: 1_600_000_010, until: 1_600_000_020 },
    { '#t': upTo(501), '#e': upTo(700), kinds: [2] },
    { '#t': upTo(60), kinds: numbers(1000) },
    { '#t': upTo(600), authors: ['1'.repeat(64), '2'.repeat(64)], until: 1_600_000_030 },
    { '#e': ['1', '1', '1'] },
    { kinds: [1, 1, 1] },
    { kinds: numbers(20_000) },
    { kinds: [1, 1], authors: ['1'.repeat(64), '1'.repeat(64)] },
    { ids: [...events.map(event => event.id), ...events.map(event => event.id)] },
  ]
  for (const filter of filters) {
    const label = JSON.stringify(filter).slice(0, 80)
    const expected = events
      .filter(event => matches(filter, event))
      .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
      .map(event => event.id)
    assert.ok(expected.length > 0, label)
    assert.equal(await idsOf(store, [filter]), expected, label)
    assert.equal(await idsOf(store, [{ ...filter, limit: 7 }]), expected.slice(0, 7), label)
    assert.is((await store.count([filter], { max: 1000 })).count, expected.length, label)
  }
})

test('deletions leave the same set whatever came first', async () => {
  const deletion = (targets: NostrEvent[]) =>
    fc
      .record({
        author: fc.constantFrom(...authors),
        of: fc.subarray(targets, { maxLength: Math.min(4, targets.length) }),
        at: fc.integer({ min: 1_600_000_000, max: 1_600_000_009 }),
      })
      .map(({ author, of, at }) =>
        unsigned({
          pubkey: author,
          kind: kinds.Deletion,
          created_at: at,
          tags: of.map(one => {
            const address = addressOf(one)
            return address && parseAddress(address) ? ['a', address] : ['e', one.id]
          }),
        }),
      )
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(event, { minLength: 1, maxLength: 20 })
        .chain(events =>
          fc.tuple(fc.constant(events), fc.array(deletion(events), { maxLength: 4 })),
        )
        .chain(([events, deletions]) => {
          const all = [...new Map([...events, ...deletions].map(one => [one.id, one])).values()]
          return fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))
        }),
      async ([one, other]) => {
        const sets = await Promise.all([one, other].map(leftOf))
        assert.equal(sets[0], sets[1])
      },
    ),
    { numRuns: 40 },
  )
})

async function leftOf(events: NostrEvent[]): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  const store = open(dir)
  for (const one of events) await store.putEvent(one)
  const left = await idsOf(store, [{}])
  await store.close()
  rmSync(dir, { recursive: true })
  return left
}

test('what an author deleted does not come back; another author deletes nothing', async ({
  store,
}) => {
  const mine = unsigned({ pubkey: authors[0] })
  const foreign = unsigned({ pubkey: authors[1], kind: kinds.Deletion, tags: [['e', mine.id]] })
  await store.putEvent(mine)
  await store.putEvent(foreign)
  assert.ok(await store.event(mine.id))
  await store.putEvent(
    unsigned({ pubkey: authors[0], kind: kinds.Deletion, tags: [['e', mine.id]] }),
  )
  assert.is(await store.event(mine.id), undefined)
  assert.is(await store.putEvent(mine), 'deleted')
})

test('a request to vanish takes out the past and lets the future in', async ({ store }) => {
  const old = unsigned({ pubkey: authors[0], created_at: 1_600_000_000 })
  await store.putEvent(old)
  const vanish = { pubkey: authors[0], kind: kinds.Vanish, created_at: 1_600_000_005 }
  await store.putEvent(unsigned({ ...vanish, tags: [['relay', 'wss://elsewhere.example']] }))
  assert.ok(await store.event(old.id))
  await store.putEvent(unsigned({ ...vanish, tags: [['relay', 'ALL_RELAYS']] }))
  assert.is(await store.event(old.id), undefined)
  assert.is(await store.putEvent(old), 'deleted')
  assert.is(
    await store.putEvent(unsigned({ pubkey: authors[0], created_at: 1_600_000_006 })),
    'stored',
  )
})

test.run()
