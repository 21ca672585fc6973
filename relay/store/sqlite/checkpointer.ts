import { statSync } from 'node:fs'
import { isMainThread, parentPort, type Worker, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { startWorker } from '../../worker.ts'

const EVERY_MS = 1000
const MIN_WAL_BYTES = 4 * 1024 * 1024

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
  const timer = setInterval(() => {
    if (statSync(`${path}-wal`).size < MIN_WAL_BYTES) return
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
