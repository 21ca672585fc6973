import { statSync } from 'node:fs'
import { isMainThread, parentPort, type Worker, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { startWorker } from '../../worker.ts'

const EVERY_MS = 1000
/** Under load the same pages come again and again: they are copied once in so many turns. */
const TURNS_UNDER_LOAD = 4
const SMALL_WAL_BYTES = 1024 * 1024

/**
 * Copies the WAL into the database from a thread of its own: a checkpoint stalls its thread for 80-130 ms,
 * which must not be the one that answers clients. PASSIVE waits for nobody and blocks nobody.
 */
export function startCheckpointer(path: string, onError: (error: Error) => void) {
  let worker: Worker | undefined
  let gone: Promise<void> | undefined
  // Not before there can be something to do: a store that lives for a moment needs no thread.
  const first = setTimeout(() => {
    worker = startWorker('./checkpointer', import.meta.url, { checkpointerOf: path })
    worker.on('error', onError)
    gone = new Promise(resolve => worker?.once('exit', () => resolve()))
  }, EVERY_MS)
  return {
    async close(): Promise<void> {
      clearTimeout(first)
      worker?.postMessage('close')
      await gone
    },
  }
}

function run(path: string): void {
  const db = new Database(path)
  db.pragma('synchronous = NORMAL')
  db.pragma('busy_timeout = 0')
  let seenAt = 0
  let doneAt = 0
  let turns = 0
  const timer = setInterval(() => {
    const { size, mtimeMs: writtenAt } = statSync(`${path}-wal`)
    const quiet = writtenAt === seenAt
    seenAt = writtenAt
    turns += 1
    if (size < SMALL_WAL_BYTES || writtenAt === doneAt) return
    if (!quiet && turns < TURNS_UNDER_LOAD) return
    turns = 0
    doneAt = writtenAt
    try {
      db.pragma('wal_checkpoint(PASSIVE)')
    } catch (error) {
      // A disk that is full now may have room later: the WAL keeps everything until then.
      if (!/SQLITE_(FULL|BUSY|IOERR)/.test(String((error as { code?: string }).code))) throw error
    }
  }, EVERY_MS)
  parentPort?.once('message', () => {
    clearInterval(timer)
    db.close()
  })
}

const data: unknown = isMainThread ? undefined : workerData
if (typeof data === 'object' && data !== null && 'checkpointerOf' in data)
  run(String(data.checkpointerOf))
