import { openConnection } from './connection.ts'

/** What SQLite's integrity check says of a database file, which may be in use: `ok`, or what is broken. */
export function integrityOf(file: string): string {
  const db = openConnection(file, 'reader')
  try {
    return String(db.pragma('integrity_check', { simple: true }))
  } finally {
    db.close()
  }
}
