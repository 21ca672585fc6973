import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Clock, Logger } from '../../plugin.ts'
import {
  type MediaBackend,
  type MediaEvent,
  PICTURE_PATH,
  recordingOf,
  type Segment,
} from '../backend.ts'
import { Channel, tooLong } from './channel.ts'
import { codecGuard } from './codecs.ts'
import { chooseEngine, type RenditionName } from './engine/engine.ts'
import type { LocalOptions } from './options.ts'
import { problems } from './problems.ts'
import { recordings } from './recording/index.ts'
import { restreams } from './restream/index.ts'
import { bitrateGuard } from './rtmp/bitrate.ts'
import { rtmpServer } from './rtmp/server.ts'
import type { FlvTag, RtmpSession } from './rtmp/session.ts'

/** RTMP's registered port. */
const RTMP_PORT = 1935
const MIB = 1 << 20
const MAX_RENDITION_BYTES = 192 * MIB
/** How long ended media stays for viewers who are a little behind. */
const LINGER_MS = 30_000

/** The embedded media backend: RTMP in, HLS out, all on this machine. */
export async function createLocalBackend(
  options: LocalOptions & {
    clock: Clock
    log: Logger
    /** The folder of all state; recordings go below it unless `recordDir` says otherwise. */
    dataDir: string
    /** Which stream may a publisher with this key hash (SHA-256, hex) push to now? */
    publishers: { find(keyHash: string): Promise<{ id: string } | undefined> }
    /** What the relay knows of a stream now; undefined when it knows none of that id. */
    about(id: string): Promise<{ paid: boolean; over: boolean } | undefined>
    /** May streams be sent on to addresses inside this machine and its network? */
    innerTargets: boolean
    /** Where a stream's files are, for everybody who may see them. */
    urlOf(id: string): string
    onEvent(event: MediaEvent): void
  },
): Promise<MediaBackend & { readonly rtmpPort: number }> {
  const { clock, log } = options
  const engine = await chooseEngine(options.engine)
  const renditions: RenditionName[] =
    options.transcode && availableParallelism() > 1 ? ['source', '480p'] : ['source']
  const channels = new Map<string, Channel>()
  const publishers = new Map<string, RtmpSession>()
  const lingering = new Map<string, NodeJS.Timeout>()
  const { tell, forget: forgetProblems } = problems(clock, options.onEvent)
  const sentOn = restreams(options)
  const recorded = options.record ? await recordings({ ...options, tell }) : undefined

  function channelOf(id: string): Channel {
    const known = channels.get(id)
    if (known) return known
    const { segmentSeconds, windowSeconds, maxMinutes, onEvent } = options
    const now = () => clock.now()
    const channel = new Channel({
      id,
      engine,
      renditions,
      segmentSeconds,
      windowSeconds,
      log,
      now,
      idleMs: options.idleSeconds * 1000,
      maxBytes: () =>
        Math.min(
          MAX_RENDITION_BYTES,
          (options.maxMemoryMb * MIB) / (channels.size * renditions.length),
        ),
      stillSeconds: options.thumbnails === 'none' ? 0 : options.thumbnailSeconds,
      maxMs: maxMinutes > 0 ? maxMinutes * 60_000 : Infinity,
      onEvent(event) {
        if (event.type === 'live') tell(id, 'publisher', undefined)
        onEvent(event)
      },
      onSource: (segment, init) => recorded?.library.recorder(id).add(segment, init),
      onPicture: () =>
        void showPicture(id).catch(error =>
          log.error({ stream: id, error }, 'a picture was not announced'),
        ),
      giveUp: cause => cut(id, cause),
    })
    channels.set(id, channel)
    return channel
  }

  /** A picture gives a paid stream's content away, a little: the operator decides. */
  async function mayShow(id: string): Promise<boolean> {
    return options.thumbnails === 'all' || !((await options.about(id))?.paid ?? true)
  }

  async function showPicture(id: string): Promise<void> {
    const url = `${options.urlOf(id)}/${PICTURE_PATH}`
    if (await mayShow(id)) options.onEvent({ type: 'picture', id, at: clock.now(), url })
  }

  async function pictureOf(id: string): Promise<Segment | undefined> {
    const body = channels.get(id)?.picture
    if (!body || !(await mayShow(id))) return undefined
    return { type: 'segment', contentType: 'image/jpeg', body }
  }

  /** Drops a stream's publisher, and says why to it and to the host. */
  function cut(id: string, cause: string): void {
    tell(id, 'publisher', cause)
    publishers.get(id)?.refuse(cause)
  }

  async function accept(key: string, session: RtmpSession) {
    const keyHash = createHash('sha256').update(key).digest('hex')
    const found = await options.publishers.find(keyHash)
    // One that went while the store was asked must not push out who is there.
    if (!found || session.ended) return undefined
    const { id } = found
    const earlier = publishers.get(id)
    if (!earlier && publishers.size >= options.maxPublishers) {
      log.warn({ stream: id }, 'too many publishers at a time (liveStream.local.maxPublishers)')
      return 'too many streams are live here, try again later'
    }
    const channel = channelOf(id)
    if (channel.spent) return tooLong(options.maxMinutes * 60_000)
    // The newest takes over: a half-open connection must not keep its own host out.
    publishers.set(id, session)
    earlier?.end('another publisher took over with the same key')
    clearTimeout(lingering.get(id))
    lingering.delete(id)
    log.info({ stream: id, from: session.remote, engine }, 'publishing')
    const publish = channel.publish()
    sentOn.begin(id, () => channel.catchUp())
    const feed = (tag: FlvTag) => {
      publish(tag)
      sentOn.take(id, tag)
    }
    const take = codecGuard(feed, cause => cut(id, cause))
    const { maxBitrateKbps: most } = options
    return bitrateGuard(take, most, () =>
      cut(
        id,
        `more than ${most} kbit/s were sent: lower the bitrate in the encoder (liveStream.local.maxBitrateKbps)`,
      ),
    )
  }

  function closed(session: RtmpSession, cause: string): void {
    for (const [id, current] of publishers) {
      if (current !== session) continue
      publishers.delete(id)
      log.info({ stream: id, cause }, 'publisher gone')
      sentOn.rest(id)
      channels.get(id)?.unpublish(cause)
      return
    }
    log.info({ from: session.remote, cause }, 'RTMP connection closed')
  }

  const listen = (port: number) =>
    rtmpServer({
      bind: options.rtmpBind,
      port,
      idleMs: options.idleSeconds * 1000,
      hooks: { accept, closed },
    })
  // Nobody asked for the usual port: a second relay on the machine takes another and tells its hosts so.
  const server = await listen(options.rtmpPort ?? RTMP_PORT).catch(error => {
    if (options.rtmpPort !== undefined) throw error
    log.warn(
      { taken: RTMP_PORT },
      'the RTMP port is taken, another one is used until the next start',
    )
    return listen(0)
  })
  log.info({ rtmp: `${options.rtmpBind}:${server.port}`, engine, renditions }, 'RTMP is listening')
  const publicUrl = options.publicRtmpUrl || rtmpUrl(options.rtmpBind, server.port)

  return {
    name: 'local',
    rtmpPort: server.port,
    // Nothing to make: a channel comes with its first publisher, the key's hash lies in the store.
    create: async ({ key }) => ({ rtmp: { server: publicUrl, key } }),
    async rotateKey({ id, key }) {
      publishers.get(id)?.end('the stream key was changed')
      return { rtmp: { server: publicUrl, key } }
    },
    async restream(id, targets) {
      sentOn.set(id, targets)
    },
    async end(id) {
      publishers.get(id)?.end('the stream was ended')
      await letGo(id)
      forgetProblems(id)
      await recorded?.library.finish(id, channels.get(id)?.picture)
    },
    async forget(id) {
      sentOn.set(id, [])
      channels.get(id)?.forget()
      await recorded?.library.forget(id)
    },
    media: {
      async fetch(id, path) {
        if (path === PICTURE_PATH) return pictureOf(id)
        return recordingOf(path) ? recorded?.fetch(id, path) : channels.get(id)?.fetch(path)
      },
      qualities: id => channels.get(id)?.qualities ?? renditions,
      recordings: recorded?.library,
    },
    hooks: { start: async () => recorded?.library.start() },
    async close() {
      await server.close()
      sentOn.close()
      for (const timer of lingering.values()) clearTimeout(timer)
      // What the engines still hold belongs to the recordings.
      await Promise.all([...channels.values()].map(channel => channel.end()))
      await recorded?.library.close()
    },
  }

  /** Ends a stream's channel, which stays for viewers who are a little behind. */
  async function letGo(id: string): Promise<void> {
    const channel = channels.get(id)
    if (!channel || lingering.has(id)) return
    const timer = setTimeout(() => {
      lingering.delete(id)
      if (publishers.has(id)) return
      channel.close()
      channels.delete(id)
    }, LINGER_MS)
    lingering.set(id, timer)
    await channel.end()
  }
}

/** Where a publisher on this machine reaches what listens on `bind`. */
function rtmpUrl(bind: string, port: number): string {
  const host = bind === '0.0.0.0' || bind === '::' ? '127.0.0.1' : bind
  return `rtmp://${host.includes(':') ? `[${host}]` : host}:${port}/live`
}
