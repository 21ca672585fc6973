import { Gauge } from 'prom-client'
import { isPaid, kinds } from '../../events/index.ts'
import { definePlugin, type Host } from '../plugin.ts'
import { announcementHandler, announcementPolicy } from './announce.ts'
import { streamsApi } from './api/index.ts'
import { type MediaBackend, mediaService } from './backend.ts'
import { resumeStreams } from './follow.ts'
import { acceptsMedia, phaseOf } from './lifecycle.ts'
import { createLivepeerBackend } from './livepeer/index.ts'
import { createLocalBackend } from './local/index.ts'
import { type LiveStreamOptions, liveStreamOptions } from './options.ts'
import { type Reactions, reactions } from './reactions.ts'
import { hostSettings, settingsPolicy } from './settings.ts'
import { streamIds, streamKeys, streams } from './stream.ts'

/**
 * Turns announcements (30311) into media streams: asks the backend for a stream, sends the host its ingest
 * details (5650), follows the media's state and ends what stopped. Source: NIP-53, docs/events.md.
 */
export default definePlugin({
  name: 'live-stream',
  options: liveStreamOptions,
  // Its RTMP port, its publishers and their engines.
  reloads: false,
  policies: ({ self }) => [announcementPolicy, settingsPolicy(self)],
  async setup(host, options) {
    await resumeStreams(host, options)
    const backend = await makeBackend(host, options, () => react)
    const own = hostSettings(host, options, () => backend.restream !== undefined)
    const react = reactions(host, options, backend, own)
    const announce = announcementHandler(host, options)
    const { changeKey } = react
    const api = streamsApi({
      host,
      settings: options,
      backend,
      hostSettings: own,
      announce,
      changeKey,
    })
    host.provide(mediaService, backend.media)
    new Gauge({
      name: 'sluice_streams',
      help: 'Streams that this relay serves, by status',
      labelNames: ['status'],
      registers: [host.metrics],
      async collect() {
        this.reset()
        for (const { value } of await streams.list(host.store)) this.inc({ status: phaseOf(value) })
      },
    })

    return {
      handles: { [kinds.LiveStream]: announce, ...own.handles },
      onStored: { [kinds.Deletion]: react.deletion },
      jobs: { ...react.jobs, ...(backend.hooks?.jobs ?? leftOver) },
      routes(app) {
        backend.hooks?.routes?.(app)
        api(app)
      },
      async start() {
        await backend.hooks?.start?.()
        await react.start()
      },
      async close() {
        react.close()
        await backend.close()
        await react.settled()
      },
    }
  },
})

const nothing = async (): Promise<void> => undefined
/** What waits of a backend that is not used any more. */
const leftOver = { 'livepeer-reconcile': nothing, 'livepeer-recording': nothing }

/** The backend of `liveStream.media`. It speaks to the reactions, which are made after it. */
function makeBackend(
  host: Host,
  options: LiveStreamOptions,
  react: () => Reactions,
): Promise<MediaBackend> {
  if (options.media === 'livepeer')
    return createLivepeerBackend({
      ...options.livepeer,
      host,
      apiKey: process.env.LIVEPEER_API_KEY,
      webhookSecret: process.env.LIVEPEER_WEBHOOK_SECRET || undefined,
      onEvent: event => react().media(event),
      follow: (tx, event) => react().follow(tx, event),
    })
  return createLocalBackend({
    ...options.local,
    clock: host.clock,
    log: host.log,
    dataDir: host.dataDir,
    innerTargets: options.restream.innerTargets,
    urlOf: id => `${host.urls().http}/p/${id}`,
    async about(id) {
      const found = await streamIds.get(host.store, id)
      const stream = found && (await streams.get(host.store, found.address))
      return stream && { paid: isPaid(stream), over: stream.status === 'ended' }
    },
    publishers: {
      async find(keyHash) {
        const key = await streamKeys.get(host.store, keyHash)
        const stream = key ? await streams.get(host.store, key.address) : undefined
        if (!stream || stream.keyHash !== keyHash || !acceptsMedia(stream)) return undefined
        return { id: stream.id }
      },
    },
    onEvent: event => react().media(event),
  })
}
