import type { Host } from '../../plugin.ts'
import { acceptsMedia } from '../lifecycle.ts'
import { streamIds, streams } from '../stream.ts'
import type { LivepeerApi, ProviderStream } from './provider/api.ts'
import { ownPrefix, type ProviderRecord, providerIds, providerRecords } from './record.ts'

const HOUR_MS = 3_600_000

/**
 * Makes the provider and us agree: nothing of ours stays there that no stream here needs (orphans, doubles of a create
 * whose answer was lost, streams long over), and each stream here that takes media has its counterpart there.
 */
export function reconciler(options: {
  host: Host
  api: LivepeerApi
  keepEndedHours: number
  /** Runs alone among what is done to this stream. */
  alone<T>(id: string, work: () => Promise<T>): Promise<T>
}) {
  const { host, api, alone } = options
  const { store, clock, log } = host

  async function reconcile(): Promise<void> {
    const prefix = ownPrefix(host.self)
    const there = (await api.list({ name: prefix })).filter(one => one.name.startsWith(prefix))
    const byId = new Map<string, ProviderStream[]>()
    for (const one of there) {
      const id = one.name.slice(prefix.length)
      byId.set(id, [...(byId.get(id) ?? []), one])
    }
    let removed = 0
    for (const [id, copies] of byId) removed += await alone(id, () => tidy(id, copies))
    const missing = await provisionMissing(new Set(byId.keys()))
    if (removed + missing > 0)
      log.warn({ removed, missing }, 'the media provider and this relay disagreed, and agree again')
  }

  /** What is there of one stream: at most one stays, and none that is not needed. */
  async function tidy(id: string, copies: readonly ProviderStream[]): Promise<number> {
    const record = await providerRecords.get(store, id)
    const kept = (await isNeeded(id, record)) ? keep(copies, record) : undefined
    const others = copies.filter(one => one !== kept)
    for (const one of others) {
      await api.delete(one)
      log.warn({ id, providerId: one.id }, 'a stream at the media provider belonged to nobody')
    }
    if (!kept) await forget(store, id)
    // The host has another one's key, or none yet.
    else if (kept.id !== record?.providerId) await provisionAgain(id)
    return others.length
  }

  async function isNeeded(id: string, record: ProviderRecord | undefined): Promise<boolean> {
    const known = await streamIds.get(store, id)
    const stream = known && (await streams.get(store, known.address))
    if (!stream) return false
    if (stream.status !== 'ended') return acceptsMedia(stream)
    const young = clock.now() - (stream.endedAt ?? 0) < options.keepEndedHours * HOUR_MS
    // Its host has ended it: only for a recording that is not ready yet. Else its host may come back.
    return young && (acceptsMedia(stream) || record?.recording === true)
  }

  async function provisionAgain(id: string): Promise<void> {
    await store.transaction(async tx => {
      const known = await streamIds.get(tx, id)
      if (known) await tx.enqueue({ name: 'provision', key: known.address })
    })
  }

  /** Streams here that take media, and none is there: somebody deleted it, or it was never made. */
  async function provisionMissing(there: ReadonlySet<string>): Promise<number> {
    let missing = 0
    for (const { key, value } of await streams.list(store)) {
      if (value.status === 'ended' || !acceptsMedia(value) || there.has(value.id)) continue
      missing += 1
      await store.transaction(tx => tx.enqueue({ name: 'provision', key }))
    }
    return missing
  }

  return reconcile
}

/** The one that the host was told, else the oldest. */
const keep = (copies: readonly ProviderStream[], record: ProviderRecord | undefined) =>
  copies.find(one => one.id === record?.providerId) ?? oldest(copies)

/** Which of several of the same name is the stream: the same one for whoever asks. */
export const oldest = (copies: readonly ProviderStream[]): ProviderStream | undefined =>
  [...copies].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))[0]

/** Takes out what is kept of a stream at the provider. */
export const forget = (store: Host['store'], id: string): Promise<void> =>
  store.transaction(async tx => {
    const record = await providerRecords.get(tx, id)
    if (!record) return
    await providerRecords.delete(tx, id)
    await providerIds.delete(tx, record.providerId)
  })
