import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { openConnection, syncDirectory } from './connection.ts'
import { integrityOf } from './integrity.ts'

const PAGES_AT_ONCE = 500

/**
 * Copies a database, which may be in use, to the new file `to` (mode 0600) and checks the copy. What is copied
 * is the moment at which it began. Throws a sentence, and leaves no file, where `to` is there already, the copy
 * is not whole, or the disk has no room. `onProgress` hears the share that is done, 0 to 1. The check holds its
 * thread for as long as it takes to read the copy.
 */
export async function backupDatabase(
  from: string,
  to: string,
  onProgress: (share: number) => void = () => undefined,
): Promise<void> {
  if (existsSync(to)) throw new Error(`${to} exists: a backup never writes over a file`)
  const partial = `${to}.partial`
  try {
    closeSync(openSync(partial, 'wx', 0o600))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new Error(`${partial} exists: another backup runs, or one was cut off; remove it first`)
  }
  try {
    await copy(from, partial, onProgress)
    check(partial)
    syncFile(partial)
    renameSync(partial, to)
    syncDirectory(to)
  } catch (error) {
    for (const ending of ['', '-journal', '-wal', '-shm']) rmSync(partial + ending, { force: true })
    throw error
  }
}

async function copy(from: string, to: string, onProgress: (share: number) => void) {
  const db = openConnection(from, 'reader')
  try {
    // One snapshot from the first page to the last: without it SQLite begins anew at every write of others.
    db.exec('BEGIN')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    await db.backup(to, {
      progress({ totalPages, remainingPages }) {
        if (totalPages > 0) onProgress(1 - remainingPages / totalPages)
        return PAGES_AT_ONCE
      },
    })
  } finally {
    db.close()
  }
}

function check(file: string): void {
  // One file without a -wal beside it; the relay turns WAL on again when it opens it.
  const db = new Database(file)
  db.pragma('journal_mode = DELETE')
  db.close()
  const result = integrityOf(file)
  if (result !== 'ok') throw new Error(`the copy is not whole, it was thrown away: ${result}`)
}

function syncFile(file: string): void {
  const fd = openSync(file, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
