import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

/**
 * Holds the folder `dir` for this process, until the function it gives is called or the process ends, however it
 * ends. Throws a sentence where another holds it: two that run the same jobs would do everything twice.
 */
export function holdFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const db = new Database(join(dir, 'sluice.lock'), { timeout: 2000 })
  try {
    db.pragma('locking_mode = EXCLUSIVE')
    db.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    db.close()
    throw new Error(`another relay or companion works in ${dir}: stop it, or name another folder`, {
      cause,
    })
  }
  return () => {
    db.exec('ROLLBACK')
    db.close()
  }
}
