import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, person, spawnRelay } from '../harness.ts'
import { fill, folder, idsOf, NOW, notes, sluice, stored } from './sluice.ts'

const DAY = 86_400
const test = suite<{ dir: string; db: string }>('prune and backup')
test.before.each(context => {
  context.dir = folder()
  context.db = join(context.dir, 'db')
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

test('prune takes out what is old and fits, and spares deletions and payments', async ({ db }) => {
  const author = person()
  const at = (kind: number, days: number) =>
    author.sign({ kind, created_at: NOW - days * DAY, content: `${kind} ${days}` })
  const old = notes(700, author, NOW - 40 * DAY)
  const recent = notes(20, author)
  const spared = [5, 62, 5610, 5611, 5612, 5613, 5614, 5615, 5650].map(kind => at(kind, 50))
  const request = at(5651, 50)
  await fill(db, [...old, ...recent, ...spared, request])

  const dry = await sluice(db, ['prune', '--older-than', '30d', '--dry-run'])
  assert.match(
    dry.stdout,
    '701 events would be taken out (kind 1: 525, kind 7: 175, kind 5651: 1)\n9 of kinds 5, 62, 5610',
  )
  assert.is((await stored(db)).length, 730)

  const relay = await spawnRelay(['--set', `db=${db}`, '--set', 'plugins=[]'])
  try {
    const likes = await sluice(db, ['prune', '--older-than', '5w', '--filter', '{"kinds":[7]}'])
    assert.is(likes.stdout, '175 events taken out (kind 7: 175)\n')
    const notMine = ['prune', '--before', `${NOW}`, '--filter', `{"authors":["${'0'.repeat(64)}"]}`]
    assert.is((await sluice(db, notMine)).stdout, '0 events taken out\n')
    assert.match(
      (await sluice(db, ['prune', '--older-than', '30d'])).stdout,
      '526 events taken out',
    )
    assert.equal(idsOf(await stored(db)), idsOf([...recent, ...spared]))
    // The relay on the same database knows: gone from its answers, and free to come again.
    const client = await connect(relay.url)
    const gone = old[5]
    assert.ok(gone)
    if (!gone) return
    assert.equal(await client.req('gone', { ids: [gone.id] }), [])
    assert.equal(await client.publish(gone), [true, ''])
    client.close()
  } finally {
    await relay.stop()
  }
  const viaFilter = ['prune', '--older-than', '30d', '--filter', '{"kinds":[5]}']
  assert.match((await sluice(db, viaFilter)).stdout, /^0 events taken out\n1 of kinds/)
  const named = await sluice(db, ['prune', '--before', `${NOW - DAY}`, '--kinds', '5,5613'])
  assert.is(named.stdout, '2 events taken out (kind 5: 1, kind 5613: 1)\n')
})

test('prune runs with one clear bound only', async ({ db }) => {
  await fill(db, notes(3))
  const fails = async (args: string[], sentence: RegExp) => {
    const { code, stderr } = await sluice(db, ['prune', ...args])
    assert.is(code, 1, args.join(' '))
    assert.match(stderr, sentence)
  }
  await Promise.all([
    fails([], /^sluice: prune needs a bound/),
    fails(['--kinds', '1', '--dry-run'], /needs a bound/),
    fails(['--filter', '{"until":5}'], /needs a bound/),
    fails(['--older-than', '30'], /as in 30d, not "30"/),
    fails(['--older-than', '-3d'], /older-than/),
    fails(['--before', 'today'], /--before needs unix seconds/),
    fails(['--before', '5', '--older-than', '1d'], /not both/),
    fails(['--before', '5', '--kinds', '1;7'], /--kinds needs numbers/),
    fails(['--before', '5', '--kinds', '1', '--filter', '{"kinds":[7]}'], /name the kinds once/),
    fails(['--before', '5', '--filter', '{"limit":7}'], /no limit/),
  ])
  assert.is((await stored(db)).length, 3)
})

test('a backup made while the relay writes is one moment, whole, and runs when restored', async ({
  dir,
  db,
}) => {
  const before = notes(3000)
  await fill(db, before)
  const relay = await spawnRelay(['--set', `db=${db}`, '--set', 'plugins=[]'])
  const file = join(dir, 'backup.sqlite')
  const written: string[] = []
  try {
    const client = await connect(relay.url)
    const author = person()
    const write = async () => {
      const event = author.sign({ kind: 1, content: `during ${written.length}` })
      assert.equal(await client.publish(event), [true, ''])
      written.push(event.id)
    }
    for (let i = 0; i < 5; i++) await write()
    let over = false
    const backup = sluice(db, ['backup', file]).finally(() => {
      over = true
    })
    while (!over) await write()
    const { code, stdout, stderr } = await backup
    assert.is(code, 0, stderr)
    assert.match(stdout, /backup\.sqlite: \d+ MB in .* s, checked\. The relay's key is not in it/)
    client.close()
  } finally {
    await relay.stop()
  }
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.equal(readdirSync(dir).sort(), ['backup.sqlite', 'db'])

  const restored = join(dir, 'restored')
  mkdirSync(restored, { mode: 0o700 })
  copyFileSync(file, join(restored, 'sluice.sqlite'))
  copyFileSync(join(db, 'relay.key'), join(restored, 'relay.key'))
  const again = await spawnRelay(['--set', `db=${restored}`, '--set', 'plugins=[]'])
  await again.stop()
  const there = new Set((await stored(restored)).map(event => event.id))
  for (const { id } of before) assert.ok(there.has(id))
  for (const id of written.slice(0, 5)) assert.ok(there.has(id))
  // One moment: of what was written one after the other it has all up to some point, and nothing after.
  const during = written.filter(id => there.has(id))
  assert.equal(during, written.slice(0, during.length))
  assert.is(there.size, before.length + during.length)
})

test('a backup never writes over a file, and a broken one is not kept', async ({ dir, db }) => {
  await fill(db, notes(2000))
  const fails = async (args: string[], sentence: RegExp) => {
    const { code, stdout, stderr } = await sluice(db, ['backup', ...args])
    assert.is(code, 1)
    assert.match(stderr, sentence)
    assert.is(stdout, '')
  }
  const kept = join(dir, 'kept')
  writeFileSync(kept, 'precious')
  await Promise.all([
    fails([kept], /no backup was made: .*kept exists: a backup never writes over a file/),
    fails([join(dir, 'no', 'where')], /no backup was made: .*ENOENT/),
    fails([], /name one file/),
  ])
  assert.is(statSync(kept).size, 8)

  // Pages in the middle turn to zeroes, as on a disk that fails.
  const database = await open(join(db, 'sluice.sqlite'), 'r+')
  await database.write(Buffer.alloc(8192 * 20), 0, 8192 * 20, 8192 * 30)
  await database.close()
  const broken = join(dir, 'broken')
  await fails([broken], /no backup was made: /)
  assert.not(existsSync(broken))
  assert.equal(readdirSync(dir).sort(), ['db', 'kept'])
})

test.run()
