/** A database of the first shape, made by the first migration, is opened by today's code. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addressOf, type Filter, type NostrEvent } from '../../events/index.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { migrations } from '../../relay/store/sqlite/schema.ts'
import { silent, unsigned } from './naive.ts'

const CLOCK = { now: () => 1_700_000_000_000 }
const author = 'b'.repeat(64)
const hex = (text: string) => Buffer.from(text, 'hex')

const test = suite<{ dir: string; events: NostrEvent[]; address: NostrEvent; deleted: string }>(
  'migration',
)

/** Opens the file as it is. */
const raw = (dir: string) => new Database(join(dir, 'sluice.sqlite'))
const shapeOf = (dir: string): number => {
  const db = raw(dir)
  const shape = Number(db.pragma('user_version', { simple: true }))
  db.close()
  return shape
}
const open = (dir: string, guest = false) =>
  openSqliteStore({ dir, clock: CLOCK, log: silent, guest })

test.before.each(context => {
  context.dir = mkdtempSync(join(tmpdir(), 'sluice-migration-'))
  const db = raw(context.dir)
  db.exec(String(migrations[0]))
  db.pragma('user_version = 1')
  // Four of each second, so that ties are many.
  context.events = Array.from({ length: 200 }, (_, i) =>
    unsigned({
      kind: i % 2 ? 1 : 7,
      pubkey: i % 3 ? 'a'.repeat(64) : author,
      created_at: 1_600_000_000 + Math.floor(i / 4),
      tags: [
        ['t', `${i % 5}`],
        ['e', 'x'],
        ['long', 'y'],
      ],
    }),
  )
  context.address = unsigned({ kind: 30_023, pubkey: author, tags: [['d', 'page']] })
  context.deleted = unsigned({ pubkey: author }).id
  const put = db.prepare(
    'INSERT INTO event (id, pubkey, kind, created_at, address, expires, raw) VALUES (?, ?, ?, ?, ?, NULL, ?)',
  )
  const tag = db.prepare('INSERT INTO tag (key, created_at, seq) VALUES (?, ?, ?)')
  for (const event of [...context.events, context.address]) {
    const { id, pubkey, kind, created_at, tags } = event
    const address = addressOf(event) ?? null
    const row = put.run(hex(id), hex(pubkey), kind, created_at, address, JSON.stringify(event))
    for (const [name, value] of tags)
      if (name?.length === 1) tag.run(`${name}${value}`, created_at, row.lastInsertRowid)
  }
  db.prepare('INSERT INTO deleted_id VALUES (?, ?)').run(hex(context.deleted), hex(author))
  db.exec(`INSERT INTO doc VALUES ('stream', 'one', '{"a":1}');
    INSERT INTO job (plugin, name, key, payload, run_at) VALUES ('p', 'n', 'k', 'load', 5);`)
  db.close()
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true }))

test('everything is there as it was, and equal times come with the lowest id first', async ({
  dir,
  events,
  address,
}) => {
  const store = open(dir)
  const inOrder = (some: NostrEvent[]) =>
    some
      .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
      .map(event => event.id)
  const all = [...events, address]
  const asked = async (filter: Filter) =>
    (await store.query([filter], { maxLimit: 500 })).raws.map(text => JSON.parse(text).id)
  assert.equal(await asked({}), inOrder([...all]))
  assert.equal(await asked({ '#t': ['3'] }), inOrder(events.filter((_, i) => i % 5 === 3)))
  assert.equal(await asked({ '#e': ['x'], limit: 7 }), inOrder([...events]).slice(0, 7))
  const mine = all.filter(event => event.pubkey === author)
  assert.equal(await asked({ authors: [author] }), inOrder(mine))
  assert.equal(await asked({ kinds: [7] }), inOrder(events.filter(event => event.kind === 7)))
  assert.equal(await store.event(address.id), address)
  assert.is(await store.get('stream', 'one'), '{"a":1}')
  assert.equal(
    (await store.jobs.claim(CLOCK.now(), 10)).map(job => [job.plugin, job.key, job.payload]),
    [['p', 'k', 'load']],
  )
  await store.close()
  assert.is(shapeOf(dir), migrations.length)
})

test('what was decided in the old shape still holds', async ({ dir, address, deleted }) => {
  const store = open(dir)
  const back = unsigned({ pubkey: author })
  assert.is(await store.putEvent({ ...back, id: deleted }), 'deleted')
  const newer = unsigned({
    kind: 30_023,
    pubkey: author,
    created_at: address.created_at + 1,
    tags: [['d', 'page']],
  })
  assert.is(await store.putEvent(address), 'duplicate')
  assert.is(await store.putEvent(newer), 'stored')
  assert.is(await store.event(address.id), undefined)
  assert.is(await store.putEvent(address), 'replaced')
  await store.close()
  const again = open(dir)
  assert.ok(await again.event(newer.id), 'opened a second time')
  await again.close()
})

test('a tool leaves an older database as it is, and a newer one is refused', ({ dir }) => {
  assert.throws(() => open(dir, true), /older than .*start this Sluice's relay once/)
  assert.is(shapeOf(dir), 1)
  const db = raw(dir)
  db.pragma('user_version = 99')
  db.close()
  assert.throws(() => open(dir), /shape 99, this Sluice knows \d+: start a newer one/)
  assert.is(shapeOf(dir), 99)
})

test('a migration that fails changes nothing', async ({ dir, events }) => {
  const db = raw(dir)
  // In the way of the second migration, after it has changed other tables.
  db.exec('CREATE TABLE old_tag (x)')
  db.close()
  assert.throws(() => open(dir), /old_tag/)
  assert.is(shapeOf(dir), 1)
  const cleared = raw(dir)
  cleared.exec('DROP TABLE old_tag')
  cleared.close()
  const store = open(dir)
  assert.is((await store.count([{ '#e': ['x'] }], { max: 500 })).count, events.length)
  await store.close()
})

test.run()
