import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addressOf, kinds } from '../../events/index.ts'
import { linesOf } from '../../scripts/sluice/lines.ts'
import { connect, person, spawnRelay } from '../harness.ts'
import { folder, idsOf, jsonl, NOW, notes, sluice, stored } from './sluice.ts'

const test = suite<{ dir: string; db: string }>('import')
test.before.each(context => {
  context.dir = folder()
  context.db = join(context.dir, 'db')
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

test('good lines are stored, the others are named by their lines and passed over', async ({
  dir,
  db,
}) => {
  const author = person()
  const [first, second, third] = notes(3, author)
  assert.ok(first && second && third)
  const other = person().sign({ kind: 1 })
  const expired = author.sign({ kind: 1, tags: [['expiration', '1600000000']] })
  const ephemeral = author.sign({ kind: 20001 })
  const good = JSON.stringify(third)
  const file = join(dir, 'events.jsonl')
  writeFileSync(
    file,
    [
      `\ufeff${JSON.stringify(first)}\r`,
      JSON.stringify(first),
      '',
      '{"half": ',
      JSON.stringify({ ...second, content: 'not what was signed' }),
      JSON.stringify({ ...second, sig: other.sig }),
      JSON.stringify({ ...second, kind: -1 }),
      good.replace('"kind"', '"kind":1,"kind"'),
      JSON.stringify(expired),
      JSON.stringify(ephemeral),
      '[]',
      // The last line has no end, and spaces.
      good.replaceAll('":', '": '),
    ].join('\n'),
  )
  const { code, stdout } = await sluice(db, ['import', file, '--show-rejected'])
  assert.is(code, 0)
  assert.match(
    stdout,
    '12 lines: 2 added, 1 duplicates, 0 older than what is stored, 0 deleted by their authors, 8 rejected',
  )
  const again = await sluice(db, ['import', file])
  assert.match(again.stdout, '12 lines: 0 added, 3 duplicates')
  assert.match(again.stdout, 'line 4: this is not JSON')
  assert.match(again.stdout, 'line 5: the id is not the hash of the event')
  assert.match(again.stdout, 'line 6: the signature does not verify')
  assert.match(again.stdout, 'line 7: kind needs an integer from 0 to 65535')
  assert.match(again.stdout, 'line 8: the key kind stands twice')
  assert.match(again.stdout, 'and 3 more')
  const all = await sluice(db, ['import', '-', '--show-rejected'], jsonl([expired, ephemeral]))
  assert.match(all.stderr, 'line 1: it has expired')
  assert.match(all.stderr, 'line 2: kind 20001 is ephemeral')
  assert.equal(idsOf(await stored(db)), idsOf([first, third]))
})

test('--no-verify believes ids and signatures, never shapes', async ({ db }) => {
  const [event] = notes(1)
  const forged = { ...event, content: 'forged' }
  const { code, stdout, stderr } = await sluice(
    db,
    ['import', '--no-verify'],
    jsonl([forged, { ...event, id: 'f'.repeat(64), tags: [1] }]),
  )
  assert.is(code, 0)
  assert.match(stderr, 'not verified')
  assert.match(stdout, '1 added')
  assert.match(stdout, 'line 2: tags needs a list of lists of texts')
  assert.equal(await stored(db), [forged])
})

test('replaced and deleted events do not come back', async ({ db }) => {
  const author = person()
  const profile = (created_at: number) =>
    author.sign({ kind: kinds.Profile, content: `${created_at}`, created_at })
  const note = author.sign({ kind: 1 })
  const deletion = author.sign({ kind: kinds.Deletion, tags: [['e', note.id]] })
  const newer = profile(NOW - 10)
  const lines = jsonl([newer, profile(NOW - 20), deletion, note])
  const { stdout } = await sluice(db, ['import'], lines)
  assert.match(stdout, '2 added, 0 duplicates, 1 older than what is stored, 1 deleted')
  assert.equal(idsOf(await stored(db)), idsOf([newer, deletion]))
  assert.is(addressOf(newer), `0:${author.pubkey}:`)
})

test('an import while the relay runs: its clients read what came, its writes go on', async ({
  db,
}) => {
  const relay = await spawnRelay(['--set', `db=${db}`, '--set', 'plugins=[]'])
  try {
    const client = await connect(relay.url)
    const author = person()
    const events = notes(1500)
    let over = false
    const importing = sluice(db, ['import'], jsonl(events)).finally(() => {
      over = true
    })
    const mine: string[] = []
    while (!over) {
      const event = author.sign({ kind: 1, content: `${mine.length}` })
      assert.equal(await client.publish(event), [true, ''])
      mine.push(event.id)
    }
    assert.match((await importing).stdout, '1,500 added')
    const read = await client.req('all', { ids: idsOf(events).slice(0, 400), limit: 400 })
    assert.is(read.length, 400)
    assert.is(
      (await client.req('mine', { authors: [author.pubkey] })).length,
      Math.min(mine.length, 500),
    )
    assert.equal(idsOf(await stored(db)), [...mine, ...idsOf(events)].sort())
    assert.not.match(relay.stderr(), /error/)
    client.close()
  } finally {
    await relay.stop()
  }
})

test('lines come whole from chunks of any size, and one that is too long is passed over', async () => {
  const text = Buffer.from(`one\n\ntwo\n${'x'.repeat(50)}\nthree`)
  for (const size of [1, 2, 7, 1000]) {
    const chunks = async function* () {
      for (let at = 0; at < text.length; at += size) yield text.subarray(at, at + size)
    }
    const lines: [number, string | undefined][] = []
    for await (const some of linesOf(chunks(), 40))
      lines.push(...some.map(line => [line.number, line.bytes?.toString()] as [number, string]))
    assert.equal(lines, [
      [1, 'one'],
      [2, ''],
      [3, 'two'],
      [4, undefined],
      [5, 'three'],
    ])
  }
})

test.run()
