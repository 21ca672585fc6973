import type { NostrEvent } from '../../events/index.ts'
import type { Clock, Logger, Tx } from '../../plugins/plugin.ts'
import type { Store } from '../../plugins/store.ts'
import { describe } from '../describe.ts'

/** `events`, or `reads <kinds>` -> unix seconds up to which everything that came was handled. */
const CURSOR = 'companion-cursor'
/** `<created_at> <id>` of what was handled: it may have left the store again (docs/events.md, 5612). */
const SEEN = 'companion-seen'
const SAVE_MS = 500
const PRUNED_AT_ONCE = 500

const seenKey = ({ created_at, id }: NostrEvent): string =>
  `${String(created_at).padStart(11, '0')} ${id}`
const readsKey = (kinds: readonly number[]): string => `reads ${[...kinds].sort().join(' ')}`

/** How far the companion has come: what it has seen, and from when it must ask again. */
export function progress(
  store: Store,
  options: { overlapSeconds: number; clock: Clock; log: Logger },
) {
  const { overlapSeconds, clock, log } = options
  const noted = new Map<string, NostrEvent>()
  /** When each event that is not yet handled arrived, unix ms. */
  const unfinished = new Map<symbol, number>()
  let live = false
  let reads: readonly number[] = []
  let saving: Promise<void> = Promise.resolve()
  const timer = setInterval(save, SAVE_MS)

  const now = () => Math.floor(clock.now() / 1000)

  async function since(): Promise<number> {
    const cursor = await store.get(CURSOR, 'events')
    return Math.max(0, (cursor === undefined ? now() : Number(cursor)) - overlapSeconds)
  }

  function save(): void {
    saving = saving
      .then(write)
      .catch(error => log.error({ cause: describe(error) }, 'the cursor was not saved'))
  }

  /** What was handled and the cursor, in one transaction: it never runs ahead of what is noted. */
  async function write(): Promise<void> {
    const notes = [...noted]
    if (notes.length === 0 && !live) return
    const oldest = Math.min(clock.now(), ...unfinished.values())
    const wasLive = live
    await store.transaction(async tx => {
      for (const [key] of notes) await tx.put(SEEN, key, '')
      if (!wasLive) return
      const cursor = Math.floor(oldest / 1000)
      await tx.put(CURSOR, 'events', String(cursor))
      if (reads.length > 0) await tx.put(CURSOR, readsKey(reads), String(cursor))
      await prune(tx, cursor - 2 * overlapSeconds)
    })
    for (const [key] of notes) noted.delete(key)
  }

  /** What is older is never asked for again. */
  async function prune(tx: Tx, before: number): Promise<void> {
    const end = String(Math.max(0, before)).padStart(11, '0')
    for (const { key } of await tx.list(SEEN, { limit: PRUNED_AT_ONCE })) {
      if (key >= end) return
      await tx.delete(SEEN, key)
    }
  }

  return {
    since,
    /** Kinds that are looked up are fetched from their beginning once. */
    async lookedUpSince(kinds: readonly number[]): Promise<number> {
      const cursor = await store.get(CURSOR, readsKey(kinds))
      return cursor === undefined ? 0 : Math.max(0, Number(cursor) - overlapSeconds)
    },
    async knows(event: NostrEvent): Promise<boolean> {
      const key = seenKey(event)
      if (noted.has(key) || (await store.get(SEEN, key)) !== undefined) return true
      return (await store.event(event.id)) !== undefined
    },
    /** It was handled; saved soon, for until then the store itself knows it. */
    note(event: NostrEvent): void {
      noted.set(seenKey(event), event)
    },
    /** The same, in a transaction that holds what follows from it. */
    noteIn: (tx: Tx, event: NostrEvent) => tx.put(SEEN, seenKey(event), ''),
    /** A live event came; call what it gives when it is handled. */
    began(at: number): () => void {
      const mine = Symbol('event')
      unfinished.set(mine, at)
      return () => unfinished.delete(mine)
    },
    /** From here on the cursor follows the clock. */
    async caughtUp(kinds: readonly number[]): Promise<void> {
      live = true
      reads = kinds
      save()
      await saving
    },
    lost(): void {
      live = false
    },
    async close(): Promise<void> {
      clearInterval(timer)
      save()
      await saving
    },
  }
}
export type Progress = ReturnType<typeof progress>
