import { closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'

/**
 * Opens the database as it must be open. better-sqlite3 is compiled so that a reopened WAL database silently
 * runs `synchronous=NORMAL`, so what is meant is set each time and asserted.
 *
 * NORMAL is meant here: SQLite itself syncs at checkpoints (WAL before database), and the writer syncs the
 * WAL after each group of commits, off the event loop (writer.ts).
 */
export function openConnection(path: string, role: 'writer' | 'reader'): Database.Database {
  const db = new Database(path, { readonly: role === 'reader' })
  if (role === 'writer') {
    db.pragma('page_size = 8192')
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    // Checkpoints belong to the checkpointer's thread; this is the stop for one that died.
    db.pragma('wal_autocheckpoint = 20000')
    db.pragma('journal_size_limit = 268435456')
    expectPragma(db, 'journal_mode', 'wal')
    expectPragma(db, 'synchronous', 1)
  }
  db.pragma('cache_size = -65536')
  // Mapped pages are looked up in the WAL's index at each use; pages in the cache are not.
  db.pragma('mmap_size = 0')
  db.pragma('busy_timeout = 5000')
  db.pragma('temp_store = MEMORY')
  return db
}

function expectPragma(db: Database.Database, name: string, expected: string | number): void {
  const actual = db.pragma(name, { simple: true })
  if (actual !== expected)
    throw new Error(`SQLite runs with ${name} = ${actual}, and needs ${expected} to be durable`)
}

/** Makes the files' names durable: a power cut must not lose the directory entry of a database. */
export function syncDirectory(path: string): void {
  const fd = openSync(dirname(path), 'r')
  fsyncSync(fd)
  closeSync(fd)
}
