import type { Host, Tx } from '../../plugin.ts'
import type { MediaEvent, RestreamState } from '../backend.ts'
import type { ProviderStream } from './provider/api.ts'
import { type ProviderRecord, providerIds, providerRecords, takenEvents } from './record.ts'
import { targetOf } from './restream.ts'
import type { ProviderEvent } from './signature.ts'

/** When to look for a recording that no webhook has announced, ms. */
const FIRST_LOOK_MS = 20_000
const DAY_MS = 86_400_000
/** Deliveries of one event stop after little more than a day. */
const KEPT_DAYS = 3

const RESTREAM_STATES: Readonly<Record<string, RestreamState>> = {
  'multistream.connected': 'connected',
  'multistream.error': 'failed',
  'multistream.disconnected': 'disconnected',
}

/** A poll that contradicts what was said so shortly before it may have read an older copy, ms. */
const SETTLED_MS = 5000

/** What an event or a poll changed, for who acts on it after the transaction. */
export interface Change {
  readonly id: string
  readonly active: boolean
}

/**
 * Takes in what the provider says of its streams, from webhooks and from polls alike: each event once, newer before
 * older, in one transaction with what it does to our stream.
 */
export function providerLedger(options: {
  host: Host
  /** Applies a media event inside the transaction. */
  follow(tx: Tx, event: MediaEvent): Promise<void>
  /** Unix ms at which new media of a stream was last seen. */
  mediaAt(id: string): number | undefined
  /** Does the provider record? */
  records: boolean
}) {
  const { host, follow, mediaAt, records } = options
  const { store, clock } = host

  /** A verified webhook. Undefined when it changes nothing: seen before, overtaken, or not about a stream of ours. */
  const webhook = (event: ProviderEvent): Promise<Change | undefined> =>
    store.transaction(async tx => {
      const now = clock.now()
      if (now - event.createdAt > KEPT_DAYS * DAY_MS) return undefined
      const key = `${dayOf(event.createdAt)}/${event.id}`
      const known = event.stream && (await providerIds.get(tx, event.stream.id))
      const record = known && (await providerRecords.get(tx, known.id))
      if (!record || (await takenEvents.get(tx, key))) return undefined
      await takenEvents.put(tx, key, { at: now })
      return apply(tx, record, event, now)
    })

  async function apply(
    tx: Tx,
    record: ProviderRecord,
    { event, createdAt, payload }: ProviderEvent,
    now: number,
  ): Promise<Change | undefined> {
    const state = RESTREAM_STATES[event]
    const target = payload?.target && targetOf(host.self, record.id, payload.target.name)
    if (state && target)
      await follow(tx, { type: 'restream', id: record.id, at: createdAt, target, state })
    if (event === 'recording.ready')
      await tx.enqueue({ name: 'livepeer-recording', key: record.id })
    if (event !== 'stream.started' && event !== 'stream.idle') return undefined
    // Order-proof: what happened before the newest that counted does not count any more.
    if (createdAt <= record.eventAt) return undefined
    return set(tx, { ...record, eventAt: createdAt }, event === 'stream.started', now)
  }

  /**
   * What a poll saw at `askedAt` (our clock): the ids of the streams that are active. A webhook that came since then knows
   * better, and one that came shortly before may: then `askAgain` says after how long to look once more, ms.
   */
  async function poll(
    active: ReadonlySet<string>,
    askedAt: number,
  ): Promise<{ changes: Change[]; askAgain?: number }> {
    const changes: Change[] = []
    let askAgain: number | undefined
    for (const { value } of await providerRecords.list(store)) {
      const isActive = active.has(value.providerId)
      if (value.active === isActive) continue
      const change = await store.transaction(async tx => {
        const record = await providerRecords.get(tx, value.id)
        if (!record || record.active === isActive) return undefined
        const lately = Math.max(record.touchedAt, isActive ? 0 : (mediaAt(record.id) ?? 0))
        if (lately > askedAt - SETTLED_MS) {
          askAgain = SETTLED_MS
          return undefined
        }
        return set(tx, record, isActive, clock.now())
      })
      if (change) changes.push(change)
    }
    return { changes, askAgain }
  }

  /** What the provider finds wrong with active streams; the host hears each change once. */
  async function health(there: readonly ProviderStream[]): Promise<void> {
    for (const one of there) {
      const known = await providerIds.get(store, one.id)
      if (!known || (await providerRecords.get(store, known.id))?.problem === problemOf(one))
        continue
      await store.transaction(async tx => {
        const record = await providerRecords.get(tx, known.id)
        if (!record) return
        const problem = problemOf(one)
        await providerRecords.put(tx, known.id, { ...record, problem })
        await follow(tx, { type: 'health', id: known.id, at: clock.now(), problem })
      })
    }
  }

  async function set(
    tx: Tx,
    record: ProviderRecord,
    active: boolean,
    now: number,
  ): Promise<Change> {
    const { id } = record
    const recording = records || record.recording
    // What was wrong with the last publisher says nothing of the next.
    const problem = active ? undefined : record.problem
    await providerRecords.put(tx, id, { ...record, active, touchedAt: now, recording, problem })
    // Live is said when there is something to play (watch.ts); idle at once, from when media was last seen.
    if (!active) {
      const at = Math.min(mediaAt(id) ?? now, now)
      await follow(tx, { type: 'idle', id, at, cause: 'the publisher is gone' })
    }
    if (!active && records)
      await tx.enqueue({ name: 'livepeer-recording', key: id, runAt: now + FIRST_LOOK_MS })
    return { id, active }
  }

  /** Forgets events that cannot come again. */
  async function sweep(): Promise<void> {
    const oldest = dayOf(clock.now() - (KEPT_DAYS + 1) * DAY_MS)
    for (;;) {
      const some = await takenEvents.list(store, { limit: 500 })
      const old = some.filter(({ key }) => key < oldest)
      await store.transaction(async tx => {
        for (const { key } of old) await takenEvents.delete(tx, key)
      })
      if (old.length < 500) return
    }
  }

  return { webhook, poll, health, sweep }
}
export type ProviderLedger = ReturnType<typeof providerLedger>

function problemOf({ isHealthy, issues }: ProviderStream): string | undefined {
  if (isHealthy !== false) return undefined
  const said = (issues ?? []).join('; ').slice(0, 500)
  return `the media provider finds this stream unhealthy${said && `: ${said}`}`
}

/** `2026-11-21`: sorts as it passes. */
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
