import type { Logger } from '../../plugin.ts'
import type { MediaEvent, Playlist, Segment } from '../backend.ts'
import { type Engine, type EngineName, type RenditionName, startEngine } from './engine/engine.ts'
import { flvHeader, flvTag, GopCache } from './flv.ts'
import { masterPlaylist, mediaPlaylist } from './packager/playlists.ts'
import { Rendition } from './packager/rendition.ts'
import type { FlvTag } from './rtmp/session.ts'

export interface ChannelOptions {
  readonly id: string
  readonly engine: EngineName
  readonly renditions: readonly RenditionName[]
  readonly segmentSeconds: number
  readonly windowSeconds: number
  readonly log: Logger
  now(): number
  onEvent(event: MediaEvent): void
}

const MAX_RENDITION_BYTES = 192 << 20
/** An engine this far behind is stuck. */
const MAX_UNREAD_BYTES = 32 << 20
const PROGRESS_MS = 1000
const OTHERS_WAIT_MS = 1500
const RESPAWN_MS = 300

/**
 * One stream's media: from the publisher's tags through an engine into renditions. It outlives publishers and
 * engines; both may come and go, and each return is a break (EXT-X-DISCONTINUITY) in the same playlists.
 */
export class Channel {
  readonly renditions: Map<RenditionName, Rendition>
  private readonly options: ChannelOptions
  private engine: Engine | undefined
  private cache = new GopCache()
  private publishing = false
  private live = false
  private over = false
  private firstAt: number | undefined
  private lastEndMs = 0
  private progress: NodeJS.Timeout | undefined

  constructor(options: ChannelOptions) {
    this.options = options
    const { segmentSeconds: targetSeconds, windowSeconds } = options
    this.renditions = new Map(
      options.renditions.map(name => {
        const onSegment = (endMs: number) => this.onSegment(name, endMs)
        return [
          name,
          new Rendition({ targetSeconds, windowSeconds, maxBytes: MAX_RENDITION_BYTES, onSegment }),
        ]
      }),
    )
  }

  /** A publisher begins; gives what takes its tags. */
  publish(): (tag: FlvTag) => void {
    this.unpublish('another publisher took over')
    this.cache = new GopCache()
    this.publishing = true
    this.over = false
    this.spawn()
    return tag => this.take(tag)
  }

  /** The publisher is gone. The engine writes out what it has. */
  unpublish(cause: string): void {
    if (!this.publishing) return
    this.publishing = false
    this.engine?.input.end()
    this.engine = undefined
    this.idle('idle', cause)
  }

  /** No more media comes: players reach the end of the playlist. */
  end(): void {
    this.unpublish('the stream was ended')
    this.over = true
  }

  fetch(path: string): Playlist | Segment | undefined {
    if (path === 'master.m3u8') {
      const text = masterPlaylist(this.renditions)
      return text.includes('#EXT-X-STREAM-INF') ? { type: 'playlist', text } : undefined
    }
    const [, name, file = ''] = /^([a-z0-9]+)\/([a-z0-9.-]+)$/.exec(path) ?? []
    const rendition = this.renditions.get(name as RenditionName)
    if (!rendition || rendition.segments.length === 0) return undefined
    if (file === 'index.m3u8')
      return { type: 'playlist', text: mediaPlaylist(rendition, this.over) }
    const init = /^init-(\d{1,9})\.mp4$/.exec(file)
    if (init) {
      const body = rendition.inits.get(Number(init[1]))
      return body && { type: 'segment', contentType: 'video/mp4', body }
    }
    const sequence = /^(\d{1,12})\.m4s$/.exec(file)
    const segment = sequence && rendition.segments.find(one => one.sequence === Number(sequence[1]))
    if (!segment) return undefined
    const body = Buffer.concat(segment.fragments)
    return { type: 'segment', contentType: 'video/iso.segment', body, endMs: segment.endMs }
  }

  close(): void {
    this.publishing = false
    clearInterval(this.progress)
    this.stopEngine()
  }

  private take(tag: FlvTag): void {
    this.cache.note(tag)
    const { engine } = this
    if (!engine) return
    engine.input.write(flvTag(tag))
    if (engine.input.writableLength > MAX_UNREAD_BYTES) engine.kill()
  }

  private spawn(): void {
    const engine = startEngine(this.options.engine, this.options.renditions)
    this.engine = engine
    for (const [name, rendition] of this.renditions) {
      rendition.begin(this.options.now())
      engine.outputs.get(name)?.on('data', (bytes: Buffer) => {
        if (this.engine === engine || !this.publishing) rendition.push(bytes, this.options.now())
      })
    }
    engine.input.write(flvHeader())
    // After a crash: headers and the last keyframe's pictures, so that it need not wait for the next.
    for (const tag of this.cache.tags()) engine.input.write(flvTag(tag))
    engine.ended.then(cause => this.onEngineEnd(engine, cause))
  }

  private onEngineEnd(engine: Engine, cause: string): void {
    if (this.engine !== engine || !this.publishing) return
    this.engine = undefined
    this.options.log.error(
      { stream: this.options.id, cause },
      'the media engine died, starting another',
    )
    this.idle('error', cause)
    setTimeout(() => {
      if (this.publishing && !this.engine) this.spawn()
    }, RESPAWN_MS)
  }

  private stopEngine(): void {
    const { engine } = this
    this.engine = undefined
    engine?.kill()
  }

  private onSegment(name: RenditionName, endMs: number): void {
    this.lastEndMs = Math.max(this.lastEndMs, endMs)
    if (this.live || !this.publishing) return
    const now = this.options.now()
    this.firstAt ??= now
    const waiting = [...this.renditions.values()].some(
      one => one.segments.at(-1)?.run === undefined,
    )
    if (waiting && now - this.firstAt < OTHERS_WAIT_MS) {
      // Players read the master playlist once: let the other renditions be in it.
      if (name === 'source') setTimeout(() => this.onSegment('480p', endMs), OTHERS_WAIT_MS)
      return
    }
    this.live = true
    const { id, onEvent } = this.options
    onEvent({ type: 'live', id, at: now })
    let told = 0
    this.progress = setInterval(() => {
      if (this.lastEndMs <= told) return
      told = this.lastEndMs
      onEvent({ type: 'progress', id, at: Math.min(this.lastEndMs, this.options.now()) })
    }, PROGRESS_MS)
  }

  private idle(type: 'idle' | 'error', cause: string): void {
    clearInterval(this.progress)
    this.firstAt = undefined
    this.live = false
    const { id, onEvent, now } = this.options
    onEvent({ type, id, at: Math.min(this.lastEndMs || now(), now()), cause })
  }
}
