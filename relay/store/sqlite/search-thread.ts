import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { kinds, type NostrEvent, tagsNamed, tagValue } from '../../../events/index.ts'
import { openConnection } from './connection.ts'
import type { Answer, Question } from './search.ts'

// The thread of search.ts: takes in what is stored, answers questions.

const FILE = 'search.sqlite'
const SHAPE = 1
const EVERY_MS = 1000
/** While there is more to take in; other threads get their turn between. */
const BEHIND_MS = 100
const AT_ONCE = 500
/** A search waits so long for the index to catch up, then makes do with what is in it. */
const CATCH_UP_MS = 3000

/** Kinds whose words people look for; the private ones are never indexed. */
const SEARCHED_KINDS: readonly number[] = [
  kinds.Profile,
  1,
  11,
  1111,
  kinds.LiveChat,
  30_023,
  kinds.LiveStream,
  kinds.MeetingSpace,
  kinds.Meeting,
]

/** What is looked through: the content, and what an addressable event says in its tags. */
function textOf(event: NostrEvent): string {
  const named = ['title', 'summary', 'd'].map(name => tagValue(event, name) ?? '')
  const topics = tagsNamed(event, 't').map(tag => tag[1] ?? '')
  return [event.content, ...(event.kind >= 30_000 ? named : []), ...topics].join('\n')
}

/** A broken file shows only where it is read: it is thrown away, and this thread with it; the next one begins anew. */
function run(database: string, dir: string): void {
  const path = join(dir, FILE)
  const index = openIndex(path)
  const unlessBroken = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      if (!/^SQLITE_(CORRUPT|NOTADB)/.test(String(code))) throw error
      index.close()
      removeIndex(path)
      // An error of SQLite's own class would lose its message on the way to the other thread.
      throw new Error(`the search index is broken: ${message}`)
    }
  }
  unlessBroken(() => serve(index, database, unlessBroken))
}

function serve(
  index: Database.Database,
  database: string,
  unlessBroken: (work: () => void) => void,
): void {
  const events = openConnection(database, 'reader')
  const newest = events
    .prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
    .pluck()
  const after = events.prepare<[number], { seq: number; kind: number; raw: string }>(
    `SELECT seq, kind, raw FROM event WHERE seq > ? ORDER BY seq LIMIT ${AT_ONCE}`,
  )
  const upto = index.prepare<[], number>('SELECT upto FROM state').pluck()
  const setUpto = index.prepare('UPDATE state SET upto = ?')
  const insert = index.prepare('INSERT OR REPLACE INTO text (rowid, body) VALUES (?, ?)')
  const find = index
    .prepare<[string, number, number], number>(
      'SELECT rowid FROM text WHERE text MATCH ? ORDER BY rank, rowid DESC LIMIT ? + 0 OFFSET ? + 0',
    )
    .pluck()
  const searched = new Set(SEARCHED_KINDS)

  // A database that was put back to an older state has given the same numbers to other events.
  if ((upto.get() ?? 0) > (newest.get() ?? 0)) {
    index.exec("INSERT INTO text (text) VALUES ('delete-all')")
    setUpto.run(0)
  }

  /** Takes in the next events; false when there were none. */
  const takeIn = index.transaction((): boolean => {
    const rows = after.all(upto.get() ?? 0)
    for (const { seq, kind, raw } of rows)
      if (searched.has(kind)) insert.run(seq, textOf(JSON.parse(raw)))
    const last = rows.at(-1)
    if (last) setUpto.run(last.seq)
    return rows.length === AT_ONCE
  })

  function catchUp(): void {
    const end = Date.now() + CATCH_UP_MS
    while (takeIn() && Date.now() < end);
  }

  /** What the words are wrong about is the asker's affair; a broken index is everybody's. */
  function found({ id, words, limit, offset }: Question): Answer {
    try {
      return { id, seqs: find.all(words, limit, offset) }
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_ERROR') throw error
      return { id, error: String(error) }
    }
  }

  let timer = setTimeout(goOn, EVERY_MS)
  function goOn(): void {
    unlessBroken(() => {
      timer = setTimeout(goOn, takeIn() ? BEHIND_MS : EVERY_MS)
    })
  }
  parentPort?.on('message', (message: Question | 'close') => {
    if (message === 'close') {
      clearTimeout(timer)
      parentPort?.close()
      index.close()
      events.close()
      return
    }
    unlessBroken(() => {
      catchUp()
      parentPort?.postMessage(found(message))
    })
  })
}

function removeIndex(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true })
}

function openIndex(path: string): Database.Database {
  for (let attempt = 1; ; attempt++) {
    try {
      const db = new Database(path)
      db.pragma('journal_mode = WAL')
      // What a power cut takes away is read again from the events.
      db.pragma('synchronous = OFF')
      const shape = db.pragma('user_version', { simple: true })
      if (shape === SHAPE) return db
      if (shape !== 0) throw new Error('an index of another shape')
      db.transaction(() => {
        db.exec(`
          CREATE VIRTUAL TABLE text USING fts5 (body, content = '', contentless_delete = 1,
            tokenize = 'unicode61 remove_diacritics 2');
          CREATE TABLE state (upto INTEGER NOT NULL) STRICT;
          INSERT INTO state VALUES (0);
        `)
        db.pragma(`user_version = ${SHAPE}`)
      })()
      return db
    } catch (error) {
      const { code } = error as { code?: string }
      if (attempt > 1 || /SQLITE_(FULL|IOERR|CANTOPEN|READONLY)/.test(String(code))) throw error
      removeIndex(path)
    }
  }
}

const { searchIn, dir } = workerData as { searchIn: string; dir: string }
run(searchIn, dir)
