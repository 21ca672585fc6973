import type { Worker } from 'node:worker_threads'
import { startWorker } from '../../worker.ts'

/** A thread for a store that lives longer than this. */
const FIRST_MS = 1000

export type Question = { id: number; words: string; limit: number; offset: number }
export type Answer = { id: number; seqs?: number[]; error?: string }

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
    const started = startWorker('./search-thread', import.meta.url, { searchIn: database, dir })
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
  }, FIRST_MS)

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
