import { createHash, createHmac } from 'node:crypto'
import { z } from 'zod'
import { collection } from '../collection.ts'
import { type Host, type Store, streamViewers, type Tx } from '../plugin.ts'

/** Who watches a stream, by its public id. A viewer is a gateway session: a payment session, or an address without one. */
export const audiences = collection(
  'stream-audience',
  z.object({
    concurrent: z.number(),
    peak: z.number(),
    /** Different viewers since it was first announced. */
    total: z.number(),
    /** Unix ms. */
    at: z.number(),
  }),
)
/** What a stream's minutes saw, as `<public id>/<unix ms of the minute, 15 digits>`. */
export const minutes = collection(
  'stream-minute',
  z.object({
    /** The most at a time. */
    viewers: z.number(),
    /** Of them, those who had never been there. */
    joined: z.number(),
    /** Media that was served. */
    bytes: z.number(),
  }),
)
/** Who was counted already, as `<public id>/<HMAC of the viewer>`. */
const seenViewers = collection('stream-viewer', z.object({ at: z.number() }))

/** How long somebody counts as watching after the last request, ms. */
const LINGER_MS = 30_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

interface Watched {
  /** Viewer -> unix ms of the last request. */
  readonly present: Map<string, number>
  /** Not yet looked up: have they been here before? */
  readonly fresh: Set<string>
  most: number
  bytes: number
}

/** Counts who watches, in memory, and keeps it once a minute: a crash forgets a minute at most. */
export function viewerCount(host: Host) {
  const { store, clock, telemetry } = host
  const watched = new Map<string, Watched>()
  let secret: Uint8Array | undefined

  /** Network addresses are not kept, and without the relay's key nobody can try them all. */
  function markOf(viewer: string): string {
    secret ??= host.signDigest(createHash('sha256').update('who watches').digest())
    return createHmac('sha256', secret).update(viewer).digest('hex').slice(0, 24)
  }

  /** Notes that a viewer got media of the stream at `now` (unix ms). */
  function saw(id: string, viewer: string, bytes: number, now: number): void {
    const one = watched.get(id) ?? { present: new Map(), fresh: new Set(), most: 0, bytes: 0 }
    watched.set(id, one)
    if (!one.present.has(viewer)) one.fresh.add(viewer)
    one.present.set(viewer, now)
    one.bytes += bytes
    // Only a new one can make it more than before.
    if (one.present.size > one.most) one.most = Math.max(one.most, presentAt(one, now))
  }

  function presentAt(one: Watched, now: number): number {
    for (const [viewer, at] of one.present) if (now - at > LINGER_MS) one.present.delete(viewer)
    return one.present.size
  }

  /** Keeps what was counted since the last time. */
  async function keep(): Promise<void> {
    const now = clock.now()
    for (const [id, one] of [...watched]) {
      const concurrent = presentAt(one, now)
      const { most, bytes } = one
      const fresh = [...one.fresh]
      await store.transaction(tx => save(tx, id, { concurrent, most, bytes, fresh }, now))
      // Only now: what could not be saved is counted the next time.
      for (const viewer of fresh) one.fresh.delete(viewer)
      one.most = presentAt(one, now)
      one.bytes -= bytes
      if (concurrent === 0 && one.fresh.size === 0) watched.delete(id)
    }
  }

  async function save(
    tx: Tx,
    id: string,
    {
      concurrent,
      most,
      bytes,
      fresh,
    }: Omit<Watched, 'present' | 'fresh'> & {
      concurrent: number
      fresh: string[]
    },
    now: number,
  ): Promise<void> {
    let joined = 0
    for (const viewer of fresh) {
      const key = `${id}/${markOf(viewer)}`
      if (await seenViewers.get(tx, key)) continue
      await seenViewers.put(tx, key, { at: now })
      joined += 1
    }
    const before = (await audiences.get(tx, id)) ?? { peak: 0, total: 0 }
    const peak = Math.max(before.peak, most, concurrent)
    const total = before.total + joined
    await audiences.put(tx, id, { concurrent, peak, total, at: now })
    const key = minuteKey(id, now)
    const minute = (await minutes.get(tx, key)) ?? { viewers: 0, joined: 0, bytes: 0 }
    await minutes.put(tx, key, {
      viewers: Math.max(minute.viewers, most, concurrent),
      joined: minute.joined + joined,
      bytes: minute.bytes + bytes,
    })
    tx.after(() => telemetry.emit(streamViewers, { id, at: now, concurrent, peak, total }))
  }

  return { saw, keep }
}

/** The minutes of a stream since `since` (unix ms), oldest first, with the time at which each began. */
export async function minutesOf(
  reader: Pick<Store, 'list' | 'get' | 'event' | 'events'>,
  id: string,
  since: number,
) {
  const rows = await minutes.list(reader, {
    prefix: `${id}/`,
    after: minuteKey(id, since - MINUTE_MS),
  })
  return rows.map(({ key, value }) => ({ at: Number(key.split('/')[1]), ...value }))
}

/** Takes out minutes that are older than `days`, and who was counted in streams that have none left. */
export async function forgetMinutes(store: Store, days: number, now: number): Promise<void> {
  const oldest = now - days * DAY_MS
  for (const { key: id, value } of await audiences.list(store)) {
    await store.transaction(async tx => {
      for (const { key } of await minutes.list(tx, { prefix: `${id}/`, limit: 1000 }))
        if (Number(key.split('/')[1]) < oldest) await minutes.delete(tx, key)
      if (value.at >= oldest) return
      for (const { key } of await seenViewers.list(tx, { prefix: `${id}/`, limit: 1000 }))
        await seenViewers.delete(tx, key)
      if ((await seenViewers.list(tx, { prefix: `${id}/`, limit: 1 })).length === 0)
        await audiences.delete(tx, id)
    })
  }
}

const minuteKey = (id: string, ms: number): string =>
  `${id}/${String(Math.max(0, Math.floor(ms / MINUTE_MS) * MINUTE_MS)).padStart(15, '0')}`
