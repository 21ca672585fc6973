import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { NostrEvent } from '../../events/index.ts'
import type { PutOutcome, Tx } from '../../plugins/store.ts'
import type { RelayStore } from '../../relay/store/store.ts'

/** So many events hold the write lock for about 10 ms: a relay on the same database hardly waits. */
export const BATCH = 200

/**
 * Runs transactions beside a relay that may be writing to the same database: between two of them the lock is free
 * for at least as long as the first one held it.
 */
export function sharedWriter(store: RelayStore) {
  let heldMs = 0
  let releasedAt = performance.now()
  return async <T>(fn: (tx: Tx) => Promise<T>): Promise<T> => {
    const dueMs = heldMs - (performance.now() - releasedAt)
    if (dueMs > 0) await sleep(dueMs)
    return store.transaction(async tx => {
      const began = performance.now()
      try {
        return await fn(tx)
      } finally {
        releasedAt = performance.now()
        heldMs = releasedAt - began
      }
    })
  }
}

/**
 * Stores events in transactions of `BATCH`. `add` returns while a batch's commit is on its way to the disk, so that
 * the next one can be verified meanwhile; `end` waits for the last. Either throws what kept a batch from being stored.
 */
export function eventBatches(store: RelayStore) {
  const write = sharedWriter(store)
  const counts = { stored: 0, duplicate: 0, replaced: 0, deleted: 0 }
  let batch: NostrEvent[] = []
  let writing: Promise<void> = Promise.resolve()

  async function put(events: readonly NostrEvent[]): Promise<void> {
    const outcomes = await write(async tx => {
      const results: PutOutcome[] = []
      for (const event of events) results.push(await tx.putEvent(event))
      return results
    })
    for (const outcome of outcomes) counts[outcome] += 1
  }

  async function flush(): Promise<void> {
    await writing
    const events = batch
    batch = []
    if (events.length === 0) return
    writing = put(events)
    // Whoever waits next hears of a failure; until then it is nobody's.
    writing.catch(() => undefined)
    // The commit itself runs in the next turns; only its sync goes on in the background.
    await turn()
    await turn()
  }

  return {
    counts: counts as Readonly<typeof counts>,
    async add(event: NostrEvent): Promise<void> {
      batch.push(event)
      if (batch.length >= BATCH) await flush()
    },
    async end(): Promise<void> {
      await flush()
      await writing
    },
  }
}
