import type { Ingest } from '../../../events/index.ts'
import type { Host } from '../../plugin.ts'
import { MediaUnavailable } from '../backend.ts'
import type { LivepeerOptions } from './options.ts'
import type { PlaybackLock } from './playback-lock.ts'
import type { LivepeerApi, ProviderStream } from './provider/api.ts'
import { ProviderRefused } from './provider/failure.ts'
import { forget, oldest } from './reconcile.ts'
import { providerIds, providerRecords, streamName } from './record.ts'

/** A refused create is tried again after so long, ms. */
const REFUSED_MS = 10 * 60_000

/** Makes, finds and removes the provider's streams: at most one for each of ours, whatever is repeated or lost. */
export function streamKeeper(options: {
  host: Host
  api: LivepeerApi
  lock: PlaybackLock | undefined
  settings: LivepeerOptions
  /** The outcome of a create is unknown: it may still be done, late, and then there are two. */
  onLostCreate(): Promise<void>
  /** A stream of ours is another one there from now on. */
  onOther(id: string): void
}) {
  const { host, api, lock, settings } = options
  const { store, clock, self } = host

  // One thing at a time for each stream: two creates that run together would make two.
  const busy = new Map<string, Promise<unknown>>()
  function alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    const run = (busy.get(id) ?? Promise.resolve()).then(work, work)
    busy.set(id, run)
    const free = () => {
      if (busy.get(id) === run) busy.delete(id)
    }
    run.then(free, free)
    return run
  }

  /** By what we kept, else by its name: what was made and not saved is found so. */
  async function find(id: string): Promise<ProviderStream | undefined> {
    const record = await providerRecords.get(store, id)
    const known = record && (await api.get(record.providerId))
    if (known) return known
    const name = streamName(self, id)
    return oldest((await api.list({ name })).filter(one => one.name === name))
  }

  async function make(id: string, title: string): Promise<ProviderStream> {
    await lock?.ready()
    const { profiles, record, playbackPolicy } = settings
    const userTags = { sluice: self, title: title.slice(0, 200) }
    const wanted = { name: streamName(self, id), profiles, record, playbackPolicy, userTags }
    return api.create(wanted).catch(async error => {
      if (error instanceof ProviderRefused) throw refused(error)
      await options.onLostCreate()
      throw error
    })
  }

  /** It will be refused until somebody changes something, here or there. */
  const refused = ({ message }: ProviderRefused) =>
    new MediaUnavailable(
      message,
      clock.now() + REFUSED_MS,
      'the media provider refuses to make this stream; its operator has to look',
    )

  const remember = (id: string, { id: providerId, playbackId }: ProviderStream) =>
    store.transaction(async tx => {
      const before = await providerRecords.get(tx, id)
      if (before?.providerId === providerId) return
      if (before) await providerIds.delete(tx, before.providerId)
      await providerIds.put(tx, providerId, { id })
      const fresh = { active: false, eventAt: 0, touchedAt: 0, recording: false }
      await providerRecords.put(tx, id, { id, providerId, playbackId, ...fresh })
      options.onOther(id)
    })

  async function remove(id: string): Promise<void> {
    const there = await find(id)
    if (there) await api.delete(there)
    await forget(store, id)
  }

  async function made(id: string, stream: ProviderStream): Promise<Ingest> {
    if (!stream.streamKey) throw new Error('livepeer: the stream has no key')
    await remember(id, stream)
    return { rtmp: { server: settings.rtmpUrl, key: stream.streamKey } }
  }

  return {
    alone,
    create: ({ id, title }: { id: string; title: string }): Promise<Ingest> =>
      alone(id, async () => {
        const found = await find(id)
        if (found?.suspended) await api.suspend(found.id, false)
        return made(id, found ?? (await make(id, title)))
      }),
    /** A key belongs to a stream there for as long as it lives: another key is another stream. */
    rotateKey: ({ id, title }: { id: string; title: string }): Promise<Ingest> =>
      alone(id, async () => {
        await remove(id)
        return made(id, await make(id, title))
      }),
    /** Ends it there. One with a recording under way is only shut, until that is ready. */
    end: (id: string): Promise<void> =>
      alone(id, async () => {
        const record = await providerRecords.get(store, id)
        if (!record?.recording) return remove(id)
        await api.terminate(record.providerId)
        await api.suspend(record.providerId, true)
        await store.transaction(async tx => {
          const now = await providerRecords.get(tx, id)
          if (now) await providerRecords.put(tx, id, { ...now, active: false })
          await tx.enqueue({ name: 'livepeer-recording', key: id })
        })
      }),
  }
}
