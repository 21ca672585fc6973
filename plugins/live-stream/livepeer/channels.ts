import type { Host } from '../../plugin.ts'
import type { MediaEvent, Playlist, Segment } from '../backend.ts'
import { fetchCache } from './gateway/cache.ts'
import { ProxiedStream } from './gateway/proxied.ts'
import { upstream } from './gateway/upstream.ts'
import type { LivepeerOptions } from './options.ts'
import type { PlaybackLock } from './playback-lock.ts'
import type { LivepeerApi } from './provider/api.ts'
import { providerRecords } from './record.ts'
import { mediaWatch } from './watch.ts'

/** How long media stays for viewers who are a little behind, ms. */
const LINGER_MS = 30_000

/**
 * The streams whose media is followed and served: from when the provider calls one active until a little after it does
 * not any more. Others are never asked for there, whoever asks here.
 */
export async function mediaChannels(options: {
  host: Host
  api: LivepeerApi
  lock: PlaybackLock | undefined
  settings: LivepeerOptions
  onEvent(event: MediaEvent): void
}) {
  const { host, api, lock, settings, onEvent } = options
  const { store, clock } = host
  const provider = await upstream(settings)
  const cache = fetchCache(settings.cacheBytes)
  const open = new Map<string, ProxiedStream>()
  const lingering = new Map<string, NodeJS.Timeout>()
  let closed = false
  const watch = mediaWatch({
    clock,
    stallMs: settings.stallSeconds * 1000,
    advanced: id => channel(id).advanced(),
    onEvent,
  })

  function channel(id: string): ProxiedStream {
    const known = open.get(id)
    if (known) return known
    let address: { url: string; playbackId: string } | undefined
    const stream = new ProxiedStream({
      upstream: provider,
      cache,
      now: () => clock.now(),
      async entry() {
        if (address) return address.url
        const record = await providerRecords.get(store, id)
        const url = record && (await api.playbackUrl(record.playbackId))
        if (record && url) address = { url, playbackId: record.playbackId }
        return url
      },
      unlock: url => (lock && address ? lock.unlock(url, address.playbackId) : url),
    })
    open.set(id, stream)
    return stream
  }

  function unlinger(id: string): void {
    clearTimeout(lingering.get(id))
    lingering.delete(id)
  }

  return {
    begin(id: string): void {
      if (closed) return
      unlinger(id)
      watch.start(id)
    },
    /** No more looking; who is a little behind still gets what is left. */
    rest(id: string): void {
      watch.stop(id)
      unlinger(id)
      if (closed || !open.has(id)) return
      const timer = setTimeout(() => {
        lingering.delete(id)
        open.delete(id)
      }, LINGER_MS)
      lingering.set(id, timer)
    },
    /** It is another stream there now. */
    forget: (id: string) => void open.delete(id),
    /** Unix ms at which new media was last seen, while the stream is followed. */
    mediaAt: watch.mediaAt,
    fetch: async (
      id: string,
      path: string,
      signal: AbortSignal,
    ): Promise<Playlist | Segment | undefined> => open.get(id)?.fetch(path, signal),
    qualities: (id: string): readonly string[] => open.get(id)?.qualities ?? [],
    close(): void {
      closed = true
      watch.close()
      for (const id of [...lingering.keys()]) unlinger(id)
      provider.close()
    },
  }
}
export type MediaChannels = Awaited<ReturnType<typeof mediaChannels>>
