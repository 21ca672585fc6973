import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds } from '../../events/index.ts'
import { progress } from '../../scripts/sluice/progress.ts'
import { person } from '../harness.ts'
import { fill, folder, idsOf, NOW, notes, parseLines, sluice } from './sluice.ts'

const test = suite<{ dir: string; db: string }>('export')
test.before.each(context => {
  context.dir = folder()
  context.db = join(context.dir, 'db')
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

test('an export put into another database exports the same bytes', async ({ dir, db }) => {
  const author = person()
  const wrap = person().sign({ kind: kinds.GiftWrap, tags: [['p', author.pubkey]] })
  // Many to a second: pages end within one.
  const crowd = Array.from({ length: 1200 }, (_, i) =>
    author.sign({ kind: 1, content: `${i}`, created_at: NOW - (i % 2) }),
  )
  const events = [...notes(40, author), wrap, ...crowd]
  await fill(db, events)
  const { stdout: out, stderr } = await sluice(db, ['export'])
  assert.match(stderr, '1,241 events exported')
  assert.equal(idsOf(parseLines(out)), idsOf(events))
  const times = parseLines(out).map(event => event.created_at)
  assert.equal(
    times,
    [...times].sort((a, b) => a - b),
  )
  const copy = join(dir, 'copy')
  assert.match((await sluice(copy, ['import'], out)).stdout, '1,241 added')
  assert.is((await sluice(copy, ['export'])).stdout, out)
  const reversed = (await sluice(db, ['export', '--reverse'])).stdout
  assert.equal(parseLines(reversed), parseLines(out).reverse())
})

test('export keeps to its filter and times', async ({ db }) => {
  const author = person()
  const events = [...notes(60, author), ...notes(10)]
  await fill(db, events)
  const cases: [object, string[], (event: (typeof events)[0]) => boolean][] = [
    [{ kinds: [7] }, [], event => event.kind === 7],
    [
      { authors: [author.pubkey], '#t': ['odd'] },
      [],
      e => e.pubkey === author.pubkey && e.tags.length > 0,
    ],
    [{ ids: idsOf(events).slice(3, 6) }, [], event => idsOf(events).slice(3, 6).includes(event.id)],
    [{ kinds: [] }, [], () => false],
    [
      { since: NOW - 1010 },
      ['--since', `${NOW - 1008}`, '--until', `${NOW - 1004}`],
      e => e.created_at >= NOW - 1008 && e.created_at <= NOW - 1004,
    ],
  ]
  const check = async ([filter, options, fits]: (typeof cases)[0]) => {
    const { stdout } = await sluice(db, ['export', JSON.stringify(filter), ...options])
    assert.equal(idsOf(parseLines(stdout)), idsOf(events.filter(fits)), JSON.stringify(filter))
  }
  await Promise.all(cases.map(check))
  const newest = parseLines((await sluice(db, ['export', '{"limit":7}', '--reverse'])).stdout)
  assert.is(newest.length, 7)
  assert.is(newest[0]?.created_at, NOW - 1000)
})

test('what cannot work is one sentence and exit code 1', async ({ dir, db }) => {
  const fails = async (args: string[], sentence: RegExp, where = db) => {
    const { code, stdout, stderr } = await sluice(where, args)
    assert.is(code, 1, args.join(' '))
    assert.match(stderr, sentence)
    assert.is(stderr.trim().split('\n').length, 1, stderr)
    assert.is(stdout, '')
  }
  await fails(['export'], /^sluice: there is no database in .*: name the relay's folder/)
  const broken = join(dir, 'broken')
  mkdirSync(broken)
  writeFileSync(
    join(broken, 'sluice.sqlite'),
    'this is no database, however long it is '.repeat(50),
  )
  await fill(db, [])
  await Promise.all([
    fails(
      ['import', join(dir, 'missing.jsonl')],
      /missing\.jsonl cannot be read: there is no such/,
    ),
    fails(['import', dir], /cannot be read: it is a folder/),
    fails(['import', 'a', 'b'], /one file/),
    fails(['import', '--fast'], /--fast/),
    fails(['export'], /the database in .* cannot be opened: .*not a database/, broken),
    fails(['import', '/dev/null'], /cannot be opened/, broken),
    fails(['export', '{"kinds":"1"}'], /the filter .*kinds needs integers/),
    fails(['export', '{kinds'], /this is not JSON/),
    fails(['export', '{"search":"x"}'], /search/),
    fails(['export', '--since', 'yesterday'], /--since needs unix seconds/),
  ])
})

test('a database of an older shape is left to the relay', async ({ db }) => {
  await fill(db, notes(1))
  const shape = (sql: string) => {
    const database = new Database(join(db, 'sluice.sqlite'))
    database.pragma(sql)
    database.close()
  }
  shape('user_version = 1')
  const { code, stderr } = await sluice(db, ['export'])
  assert.is(code, 1)
  assert.match(
    stderr,
    /cannot be opened: the database has shape 1, older than \d+: start this Sluice's/,
  )
})

test('progress is a bar on a terminal and a line now and then elsewhere', () => {
  let now = 0
  const shown = (isTTY: boolean) => {
    now = 0
    let text = ''
    const stream = { isTTY, columns: 200, write: (more: string) => (text += more) }
    const bar = progress('import', stream, { now: () => now })
    for (now = 0; now <= 10_000; now += 1000) bar.update(now, now / 20_000)
    bar.end()
    return text
  }
  assert.match(shown(true), '[############............]  50%  10,000  1,000/s  10s left')
  assert.ok(shown(true).endsWith('\r\x1b[K'))
  assert.is(
    shown(false),
    'import: 25%  5,000  1,000/s  15s left\nimport: 50%  10,000  1,000/s  10s left\n',
  )
})

test.run()
