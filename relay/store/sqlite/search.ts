import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, parentPort, type Worker, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { kinds, type NostrEvent, tagsNamed, tagValue } from '../../../events/index.ts'
import { startWorker } from '../../worker.ts'
import { openConnection } from './connection.ts'

const FILE = 'search.sqlite'
const SHAPE = 1
const EVERY_MS = 1000
const AT_ONCE = 500
/** A search waits so long for the index to catch up, then makes do with what is in it. */
const CATCH_UP_MS = 3000

/** Kinds whose words people look for; the private ones are never indexed. */
export const SEARCHED_KINDS: readonly number[] = [
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

type Question = { id: number; words: string; limit: number; offset: number }
type Answer = { id: number; seqs?: number[]; error?: string }

/**
 * NIP-50 by SQLite's FTS5, in a thread and a file of its own: what is stored costs the relay nothing more, and an
 * index that is lost or broken is made anew. It may name events that are gone.
 *
 * @example
 * const search = startSearch({ dir, database: join(dir, 'sluice.sqlite'), takesIn: true, onError })
 * await search.find('"live" "coding"', 100, 0) // seqs, best first
 */
export function startSearch(options: {
  dir: string
  database: string
  /** False: the index is not kept up here, another process does. */
  takesIn: boolean
  onError(error: Error): void
}) {
  const { dir, database, takesIn, onError } = options
  const waiting = new Map<number, { resolve(seqs: number[]): void; reject(error: Error): void }>()
  let worker: Worker | undefined
  let gone: Promise<void> | undefined
  let asked = 0

  function start(): Worker {
    const started = startWorker('./search', import.meta.url, { searchIn: database, dir })
    started.on('message', ({ id, seqs, error }: Answer) => {
      const one = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) one?.resolve(seqs ?? [])
      else one?.reject(new Error(`search: ${error}`))
    })
    started.on('error', error => {
      for (const one of waiting.values()) one.reject(error)
      waiting.clear()
      worker = undefined
      onError(error)
    })
    gone = new Promise(resolve => started.once('exit', () => resolve()))
    return started
  }

  // A store that lives for a moment needs no thread.
  const first = setTimeout(() => {
    if (takesIn) worker ??= start()
  }, EVERY_MS)

  return {
    /** Seqs of events that hold all the words (FTS5 syntax, made by `wordsOf`), the best match first. */
    find(words: string, limit: number, offset: number): Promise<number[]> {
      worker ??= start()
      const running = worker
      asked += 1
      const question: Question = { id: asked, words, limit, offset }
      return new Promise((resolve, reject) => {
        waiting.set(question.id, { resolve, reject })
        running.postMessage(question)
      })
    },
    /** Questions that have no answer yet. */
    waiting: () => waiting.size,
    async close(): Promise<void> {
      clearTimeout(first)
      worker?.postMessage('close')
      await gone
    },
  }
}

/**
 * The words of a search as FTS5 wants them: quoted, so that none of them is syntax; `key:value` extensions are left
 * out. Empty where nothing is left to look for.
 */
export function wordsOf(search: string): string {
  return search
    .split(/\s+/)
    .filter(token => !/^[a-z]+:\S+$/i.test(token) && /[\p{L}\p{N}]/u.test(token))
    .slice(0, 16)
    .map(token => `"${token.replaceAll('"', '""').replaceAll('\0', '')}"`)
    .join(' ')
}

/** What is looked through: the content, and what an addressable event says in its tags. */
function textOf(event: NostrEvent): string {
  const named = ['title', 'summary', 'd'].map(name => tagValue(event, name) ?? '')
  const topics = tagsNamed(event, 't').map(tag => tag[1] ?? '')
  return [event.content, ...(event.kind >= 30_000 ? named : []), ...topics].join('\n')
}

function run(database: string, dir: string): void {
  const events = openConnection(database, 'reader')
  const index = openIndex(join(dir, FILE))
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

  const timer = setInterval(takeIn, EVERY_MS)
  parentPort?.on('message', (message: Question | 'close') => {
    if (message === 'close') {
      clearInterval(timer)
      parentPort?.close()
      index.close()
      events.close()
      return
    }
    const { id, words, limit, offset } = message
    try {
      catchUp()
      parentPort?.postMessage({ id, seqs: find.all(words, limit, offset) })
    } catch (error) {
      parentPort?.postMessage({ id, error: String(error) })
    }
  })
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
      for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true })
    }
  }
}

const data: unknown = isMainThread ? undefined : workerData
if (typeof data === 'object' && data !== null && 'searchIn' in data && 'dir' in data)
  run(String(data.searchIn), String(data.dir))
