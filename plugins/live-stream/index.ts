import { Gauge } from 'prom-client'
import { kinds } from '../../events/index.ts'
import { definePlugin } from '../plugin.ts'
import { announcementHandler, announcementPolicy } from './announce.ts'
import { mediaService } from './backend.ts'
import { acceptsMedia } from './lifecycle.ts'
import { createLocalBackend } from './local/index.ts'
import { liveStreamOptions } from './options.ts'
import { reactions, resumeStreams } from './reactions.ts'
import { streamKeys, streams } from './stream.ts'

/**
 * Turns announcements (30311) into media streams: asks the backend for a stream, sends the host its ingest
 * details (5650), follows the media's state and ends what stopped. Source: NIP-53, docs/events.md.
 */
export default definePlugin({
  name: 'live-stream',
  options: liveStreamOptions,
  policies: () => [announcementPolicy],
  async setup(host, options) {
    await resumeStreams(host, options)
    const backend = await createLocalBackend({
      ...options.local,
      clock: host.clock,
      log: host.log,
      publishers: {
        async find(keyHash) {
          const key = await streamKeys.get(host.store, keyHash)
          const stream = key ? await streams.get(host.store, key.address) : undefined
          if (!stream || stream.keyHash !== keyHash || !acceptsMedia(stream)) return undefined
          return { id: stream.id }
        },
      },
      onEvent: event => react.media(event),
    })
    const react = reactions(host, options, backend)
    host.provide(mediaService, backend.media)
    new Gauge({
      name: 'sluice_streams',
      help: 'Streams that this relay serves, by status',
      labelNames: ['status'],
      registers: [host.metrics],
      async collect() {
        this.reset()
        for (const { value } of await streams.list(host.store)) this.inc({ status: value.status })
      },
    })

    return {
      handles: { [kinds.LiveStream]: announcementHandler(host, options) },
      onStored: { [kinds.Deletion]: react.deletion },
      jobs: {
        provision: react.provision,
        companion: react.companion,
        ghost: react.ghost,
        end: react.end,
      },
      async close() {
        await backend.close()
        await react.settled()
      },
    }
  },
})
