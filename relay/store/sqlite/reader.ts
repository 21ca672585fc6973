import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../plugins/plugin.ts'
import type { Reader } from '../../../plugins/store.ts'
import { openConnection } from './connection.ts'
import { DATABASE_FILE, newestOf, viewOf } from './index.ts'
import { migrate } from './schema.ts'

/**
 * Opens the store in the folder `dir` for reading alone, beside the process that writes it; an empty one is made
 * where none is.
 *
 * @example
 * const store = openSqliteReader({ dir: './sluice-db', clock: { now: Date.now } })
 */
export function openSqliteReader(options: {
  dir: string
  clock: Clock
}): Reader & { close(): void } {
  const path = join(options.dir, DATABASE_FILE)
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const maker = openConnection(path, 'writer')
  migrate(maker, { upgrade: true })
  // Open before the maker closes: the last one to close a WAL database takes its files away.
  const db = openConnection(path, 'reader')
  const { event, events, get, list } = viewOf(db, options.clock, () => newestOf(db))
  maker.close()
  return { event, events, get, list, close: () => db.close() }
}

/**
 * One moment of the database file `path`, whatever its writer does meanwhile: a read transaction for all reads. While it
 * is open the write-ahead log only grows, so it is for seconds, not for hours. Nothing is made, nothing is changed.
 *
 * @example
 * const books = openSqliteSnapshot(join('./sluice-db', DATABASE_FILE), { now: Date.now })
 */
export function openSqliteSnapshot(path: string, clock: Clock): Reader & { close(): void } {
  const db = openConnection(path, 'reader')
  try {
    migrate(db, { upgrade: false })
    db.exec('BEGIN')
    const { event, events, get, list } = viewOf(db, clock, () => newestOf(db))
    return { event, events, get, list, close: () => db.close() }
  } catch (error) {
    db.close()
    throw error
  }
}
