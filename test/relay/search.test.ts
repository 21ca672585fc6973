/** The search index is a copy: lost, broken or of another time, it is made anew from the events. */
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { NostrEvent } from '../../events/index.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { silent, unsigned } from './naive.ts'

/** More than the index takes in at once. */
const NOTES = 600
const FILES = ['search.sqlite', 'search.sqlite-wal', 'search.sqlite-shm']

const test = suite<{ dir: string; store: RelayStore; log: string[] }>('search index')

function open(context: { dir: string; store: RelayStore; log: string[] }): void {
  const error = (fields: object, text: string) => {
    context.log.push(`${text} ${JSON.stringify(fields)}`)
  }
  const log = { ...silent, error }
  context.store = openSqliteStore({ dir: context.dir, clock: { now: Date.now }, log })
}

const words = async ({ store }: { store: RelayStore }, search: string): Promise<string[]> =>
  (await store.query([{ search }], { maxLimit: 5 })).raws.map(
    raw => (JSON.parse(raw) as NostrEvent).content,
  )

/** Every note is found, those of the last page too, and each once. */
async function isWhole(context: { store: RelayStore }): Promise<void> {
  for (const number of [0, 499, 500, NOTES - 1])
    assert.equal(await words(context, `number${number}`), [`number${number} of many`])
  assert.is((await context.store.count([{ search: 'many' }], { max: 5000 })).count, NOTES)
}

test.before.each(async context => {
  context.dir = mkdtempSync(join(tmpdir(), 'sluice-search-'))
  context.log = []
  open(context)
  const notes = Array.from({ length: NOTES }, (_, i) =>
    unsigned({ content: `number${i} of many`, created_at: 1_600_000_000 + i }),
  )
  await Promise.all(notes.map(event => context.store.putEvent(event)))
  await isWhole(context)
})
test.after.each(async ({ dir, store }) => {
  await store.close()
  rmSync(dir, { recursive: true })
})

/** Closes the store, lets `damage` happen and opens it again. */
async function afterRestart(
  context: { dir: string; store: RelayStore; log: string[] },
  damage: (file: (name: string) => string) => void,
): Promise<void> {
  await context.store.close()
  damage(name => join(context.dir, name))
  open(context)
}

const remove = (file: (name: string) => string) => {
  for (const name of FILES) rmSync(file(name), { force: true })
}

test('a restart goes on where it was, with what came meanwhile', async context => {
  await afterRestart(context, () => undefined)
  await isWhole(context)
  await context.store.putEvent(unsigned({ content: 'a late word' }))
  assert.equal(await words(context, 'late'), ['a late word'])
})

test('a lost file is made anew', async context => {
  await afterRestart(context, remove)
  await isWhole(context)
  assert.ok(existsSync(join(context.dir, 'search.sqlite')))
})

test('a file that is no database, cut short or of another shape is made anew', async context => {
  for (const damage of [
    (path: string) => writeFileSync(path, 'this is no database '.repeat(1000)),
    (path: string) => truncateSync(path, 5000),
    (path: string) => writeFileSync(path, ''),
    (path: string) => {
      const bytes = readFileSync(path)
      // user_version, in the header.
      bytes.writeUInt32BE(77, 60)
      writeFileSync(path, bytes)
    },
  ]) {
    await afterRestart(context, file => damage(file('search.sqlite')))
    await isWhole(context)
  }
})

test('a file whose pages are broken is noticed when it is read, thrown away and made anew', async context => {
  await afterRestart(context, file => {
    const bytes = readFileSync(file('search.sqlite'))
    bytes.fill(0xa5, 4096)
    writeFileSync(file('search.sqlite'), bytes)
  })
  // Who asks first may hear of it; nobody after.
  await words(context, 'number7').catch(error => assert.match(error.message, /index is broken/))
  await isWhole(context)
})

test('an index that is ahead of the database is made anew', async context => {
  await afterRestart(context, file => {
    // The folder of an older backup, with a newer index beside it.
    for (const name of ['sluice.sqlite', 'sluice.sqlite-wal', 'sluice.sqlite-shm'])
      rmSync(file(name), { force: true })
  })
  await context.store.putEvent(unsigned({ content: 'the only one' }))
  assert.equal(await words(context, 'only'), ['the only one'])
  assert.equal(await words(context, 'number7'), [])
})

test('what is deleted, expired or replaced is not found, though the index may name it', async context => {
  const { store } = context
  const author = 'b'.repeat(64)
  const gone = unsigned({ content: 'deleteme', pubkey: author })
  const old = unsigned({ content: 'oldname', kind: 0, pubkey: author, created_at: 1 })
  const brief = unsigned({ content: 'briefly', tags: [['expiration', '1600000100']] })
  for (const event of [gone, old, brief]) await store.putEvent(event)
  await words(context, 'deleteme')
  await store.putEvent(unsigned({ kind: 5, pubkey: author, tags: [['e', gone.id]] }))
  await store.putEvent(unsigned({ content: 'newname', kind: 0, pubkey: author, created_at: 2 }))
  for (const word of ['deleteme', 'oldname', 'briefly'])
    assert.equal(await words(context, word), [], word)
  assert.equal(await words(context, 'newname'), ['newname'])
})

test.run()
