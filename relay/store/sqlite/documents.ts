import type { Database } from 'better-sqlite3'
import type { Document, ListOptions } from '../../../plugins/store.ts'

/** The document table's verbs, on a connection that reads (or also writes). */
export function documentReads(db: Database) {
  const get = db
    .prepare<[string, string], string>('SELECT value FROM doc WHERE collection = ? AND key = ?')
    .pluck()
  const list = (order: 'ASC' | 'DESC') =>
    db.prepare<[string, string, string, number], Document>(
      `SELECT key, value FROM doc WHERE collection = ? AND key >= ? AND key < ?
       ORDER BY key ${order} LIMIT ? + 0`,
    )
  const ascending = list('ASC')
  const descending = list('DESC')

  return {
    get: (collection: string, key: string): string | undefined => get.get(collection, key),
    list(collection: string, options: ListOptions = {}): Document[] {
      const { prefix = '', after, limit = -1, reverse = false } = options
      // No text that begins with the prefix sorts behind this; `after` narrows one of the two ends.
      const end = `${prefix}\u{10ffff}`
      if (reverse) return descending.all(collection, prefix, min(after ?? end, end), limit)
      const start = after === undefined ? prefix : max(`${after}\u0000`, prefix)
      return ascending.all(collection, start, end, limit)
    },
  }
}

export function documentWrites(db: Database) {
  const put = db.prepare(
    `INSERT INTO doc (collection, key, value) VALUES (?, ?, ?)
     ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value`,
  )
  const remove = db.prepare('DELETE FROM doc WHERE collection = ? AND key = ?')
  return {
    put: (collection: string, key: string, value: string): void => {
      put.run(collection, key, value)
    },
    delete: (collection: string, key: string): void => {
      remove.run(collection, key)
    },
  }
}

// Byte order, as SQLite's BINARY collation has it; JavaScript compares UTF-16 units.
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const min = (a: string, b: string): string => (compare(a, b) <= 0 ? a : b)
const max = (a: string, b: string): string => (compare(a, b) >= 0 ? a : b)
