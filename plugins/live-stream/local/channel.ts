import type { Logger } from '../../plugin.ts'
import type { MediaEvent, Playlist, Segment } from '../backend.ts'
import {
  type Engine,
  type EngineName,
  RENDITION_HEIGHT,
  type RenditionName,
  startEngine,
} from './engine/engine.ts'
import { flvHeader, flvTag, GopCache } from './flv.ts'
import { mediaFile } from './packager/files.ts'
import { type MediaSegment, Rendition } from './packager/rendition.ts'
import type { FlvTag } from './rtmp/session.ts'
import { jpegs } from './stills.ts'
import { Watch } from './watch.ts'

export interface ChannelOptions {
  readonly id: string
  readonly engine: EngineName
  readonly renditions: readonly RenditionName[]
  readonly segmentSeconds: number
  readonly windowSeconds: number
  /** Memory for one rendition now. */
  maxBytes(): number
  /** Seconds between stills; 0 for none. */
  readonly stillSeconds: number
  /** A publisher that sends no media for so long is given up, ms. */
  readonly idleMs: number
  /** How long a broadcast may last, from its first publisher to `end`. */
  readonly maxMs: number
  readonly log: Logger
  now(): number
  onEvent(event: MediaEvent): void
  /** A segment of the source stands, with its init segment. */
  onSource(segment: MediaSegment, init: Uint8Array): void
  /** There is a newer still. */
  onPicture(picture: Uint8Array): void
  /** Nothing can be made of what this publisher sends: it should go, and hear why. */
  giveUp(cause: string): void
}

/** An engine this far behind is stuck. */
const MAX_UNREAD_BYTES = 32 << 20
const TICK_MS = 1000
/** Sound for so long without a picture is a stream of sound alone (media time). */
const SOUND_ALONE_MS = 1000
const OTHERS_WAIT_MS = 1500
const RESPAWN_MS = 300
/** Engines that die one after the other without a segment die of their input. */
const MAX_DEATHS = 5
/** An engine that is to end and writes nothing for so long hangs; one that has not begun yet may be slow to start. */
const DRAIN_MS = 5000
const START_MS = 20_000

/** Why a broadcast goes on no longer. */
export const tooLong = (maxMs: number): string =>
  `a broadcast may last ${maxMs / 60_000} minutes here (liveStream.local.maxMinutes): end this one, then announce another`

/**
 * One stream's media: from the publisher's tags through an engine into renditions. It outlives publishers and
 * engines; both may come and go, and each return is a break (EXT-X-DISCONTINUITY) in the same playlists.
 */
export class Channel {
  readonly renditions: Map<RenditionName, Rendition>
  /** The renditions that this publisher's media is made into. */
  qualities: readonly RenditionName[]
  /** The newest still, a JPEG. */
  picture: Uint8Array | undefined
  private readonly options: ChannelOptions
  private readonly watch: Watch
  private engine: Engine | undefined
  /** Engines of earlier publishers, while they write out what they have, with what ends those that hang. */
  private readonly draining = new Map<Engine, NodeJS.Timeout>()
  /** Engines that have written something. */
  private readonly spoke = new WeakSet<Engine>()
  /** Resolves when the engine that was started last has ended: then it is the next one's turn. */
  private turn: Promise<unknown> = Promise.resolve()
  /** Engines whose output was no MP4, and why. */
  private readonly broken = new WeakMap<Engine, string>()
  private cache = new GopCache()
  private publishing = false
  /** Media has come from this publisher, so an engine runs, or will in a moment. */
  private started = false
  private firstSoundMs: number | undefined
  private expectsVideo = false
  private live = false
  private over = false
  private deaths = 0
  /** When this broadcast's first publisher came (performance.now). */
  private began: number | undefined
  private lastEndMs = 0
  private toldMs = 0
  private ticker: NodeJS.Timeout | undefined
  private respawn: NodeJS.Timeout | undefined
  private liveSoon: NodeJS.Timeout | undefined

  constructor(options: ChannelOptions) {
    this.options = options
    this.qualities = options.renditions
    this.watch = new Watch(options.idleMs)
    const { segmentSeconds: targetSeconds, windowSeconds, maxBytes } = options
    this.renditions = new Map(
      options.renditions.map(name => {
        const onSegment = (segment: MediaSegment) => this.onSegment(name, segment)
        return [name, new Rendition({ targetSeconds, windowSeconds, maxBytes, onSegment })]
      }),
    )
  }

  /**
   * A publisher begins; gives what takes its tags. Whoever takes over from another goes on where that one stops: its last
   * media is written out first, and the stream is live all the while.
   */
  publish(): (tag: FlvTag) => void {
    this.standDown()
    this.cache = new GopCache()
    this.deaths = 0
    this.publishing = true
    this.started = false
    this.firstSoundMs = undefined
    this.over = false
    this.began ??= performance.now()
    this.watch.begin()
    this.ticker = setInterval(() => this.tick(), TICK_MS)
    return tag => this.take(tag)
  }

  /** The publisher is gone. The engine writes out what it has. */
  unpublish(cause: string): void {
    if (!this.publishing) return
    this.standDown()
    this.idle('idle', cause)
  }

  private standDown(): void {
    this.publishing = false
    clearInterval(this.ticker)
    clearTimeout(this.respawn)
    const { engine } = this
    this.engine = undefined
    if (engine) this.drain(engine)
  }

  /** No more media comes. Resolves when the last segment and the playlist's end stand. */
  async end(): Promise<void> {
    this.unpublish('the stream was ended')
    this.over = true
    this.began = undefined
    await this.turn
  }

  /** True once the broadcast has lasted as long as it may; another one begins after `end`. */
  get spent(): boolean {
    return this.began !== undefined && performance.now() - this.began >= this.options.maxMs
  }

  fetch(path: string): Playlist | Segment | undefined {
    // A playlist that says it has ended must not grow any more (RFC 8216, 6.2.1).
    return mediaFile(this.renditions, path, this.over && this.draining.size === 0)
  }

  /** What whoever takes over this publisher's media now must have first: headers, and all since the last keyframe. */
  catchUp(): FlvTag[] {
    return this.cache.tags()
  }

  /** Nothing of what was is shown any more. */
  forget(): void {
    this.picture = undefined
  }

  close(): void {
    this.unpublish('the media backend is closing')
    for (const engine of this.draining.keys()) engine.kill()
  }

  private take(tag: FlvTag): void {
    this.cache.note(tag)
    if (tag.type !== 18) this.watch.sawTag()
    if (!this.started) return this.start(tag)
    if (this.cache.video && !this.expectsVideo && this.engine) return this.restart()
    const { engine } = this
    if (!engine) return
    engine.input.write(flvTag(tag))
    if (engine.input.writableLength > MAX_UNREAD_BYTES) engine.kill()
  }

  /** No process for who sends no media; and the engine must know whether there will be pictures. */
  private start(tag: FlvTag): void {
    if (tag.type === 8) this.firstSoundMs ??= tag.timestamp
    const soundAlone = tag.timestamp - (this.firstSoundMs ?? tag.timestamp) >= SOUND_ALONE_MS
    if (!this.cache.video && !soundAlone) return
    this.started = true
    this.spawn()
  }

  /** Pictures came after all: an engine takes no new tracks on the way. */
  private restart(): void {
    this.engine?.kill()
    this.engine = undefined
    this.finishSegments()
    this.spawn()
  }

  private spawn(): void {
    const { video } = this.cache
    this.expectsVideo = video
    const renditions = this.options.renditions.filter(name => this.isWorth(name))
    this.qualities = renditions
    const engine = startEngine(this.options.engine, { ...this.options, renditions, video })
    this.engine = engine
    this.watch.begin()
    // The media of whoever was here before comes first.
    const before = this.turn
    this.read(engine, before)
    engine.stills?.on(
      'data',
      jpegs(picture => this.onPicture(picture)),
    )
    const ended = before.then(() => engine.ended)
    ended.then(cause => this.onEngineEnd(engine, this.broken.get(engine) ?? cause))
    this.turn = ended
    engine.input.write(flvHeader(video))
    // After a crash: headers and the last keyframe's pictures, so that it need not wait for the next.
    for (const tag of this.cache.tags()) engine.input.write(flvTag(tag))
  }

  /** A rendition smaller than the source; where its size is not known, the engine leaves it as it is. */
  private isWorth(name: RenditionName): boolean {
    const { height } = this.cache
    return name === 'source' || height === undefined || height > RENDITION_HEIGHT[name]
  }

  /** Takes what the engine makes into the renditions, once it is its turn. */
  private read(engine: Engine, turn: Promise<unknown>): void {
    for (const [name, rendition] of this.renditions) {
      // Node throws away what nobody has read when a process ends.
      let early: Buffer[] | undefined = []
      engine.outputs.get(name)?.on('data', (bytes: Buffer) => {
        this.spoke.add(engine)
        this.draining.get(engine)?.refresh()
        if (early) early.push(bytes)
        else this.push(engine, rendition, bytes)
      })
      void turn.then(() => {
        const made = engine.outputs.has(name)
        if (this.counts(engine) && made) rendition.begin(this.options.now())
        // What an earlier publisher had and this one has not: players would wait for more of it.
        if (this.counts(engine) && !made) rendition.clear()
        for (const bytes of early ?? []) this.push(engine, rendition, bytes)
        early = undefined
      })
    }
  }

  private push(engine: Engine, rendition: Rendition, bytes: Buffer): void {
    if (this.broken.has(engine) || !this.counts(engine)) return
    try {
      rendition.push(bytes, this.options.now())
    } catch (error) {
      // What an engine makes of a hostile stream may be no MP4: that is this stream's trouble alone.
      this.broken.set(engine, error instanceof Error ? error.message : String(error))
      engine.kill()
    }
  }

  /** An engine that was given up makes nothing more that counts. */
  private counts(engine: Engine): boolean {
    return this.engine === engine || this.draining.has(engine)
  }

  private onEngineEnd(engine: Engine, cause: string): void {
    if (this.draining.delete(engine)) this.finishSegments()
    if (this.engine !== engine) return
    this.engine = undefined
    this.finishSegments()
    this.deaths += 1
    const { id: stream, log } = this.options
    if (this.deaths >= MAX_DEATHS) return this.options.giveUp(cause)
    log.error({ stream, cause }, 'the media engine died, starting another')
    this.idle('error', cause)
    this.respawn = setTimeout(() => this.spawn(), RESPAWN_MS * 2 ** (this.deaths - 1))
  }

  private drain(engine: Engine): void {
    engine.input.end()
    const patience = this.spoke.has(engine) ? DRAIN_MS : START_MS
    const late = setTimeout(() => {
      const { id: stream, log } = this.options
      log.error({ stream }, 'a media engine hung at the end, its last media is lost')
      engine.kill()
    }, patience)
    this.draining.set(engine, late)
    engine.ended.then(() => clearTimeout(late))
  }

  private finishSegments(): void {
    for (const rendition of this.renditions.values()) rendition.finish(this.options.now())
  }

  private tick(): void {
    const { id, onEvent, giveUp } = this.options
    if (this.spent) return giveUp(tooLong(this.options.maxMs))
    const trouble = this.watch.trouble(this.engine?.input.writableLength ?? 0)
    if (trouble?.fault === 'engine') this.engine?.kill()
    if (trouble?.fault === 'publisher') return giveUp(trouble.cause)
    if (!this.live || this.lastEndMs <= this.toldMs) return
    this.toldMs = this.lastEndMs
    onEvent({ type: 'progress', id, at: Math.min(this.lastEndMs, this.options.now()) })
  }

  private onPicture(picture: Buffer): void {
    this.picture = picture
    this.options.onPicture(picture)
  }

  private onSegment(name: RenditionName, segment: MediaSegment): void {
    this.lastEndMs = Math.max(this.lastEndMs, segment.endMs)
    const init = this.renditions.get(name)?.inits.get(segment.run)
    if (name === 'source' && init) this.options.onSource(segment, init)
    if (!this.publishing) return
    this.deaths = 0
    this.watch.sawSegment()
    if (this.live) return
    // Players read the master playlist once: let the other renditions be in it.
    const all = this.qualities.every(one => this.renditions.get(one)?.segments.length)
    if (all) this.goLive()
    else this.liveSoon ??= setTimeout(() => this.goLive(), OTHERS_WAIT_MS)
  }

  private goLive(): void {
    clearTimeout(this.liveSoon)
    this.liveSoon = undefined
    this.live = true
    const { id, onEvent, now } = this.options
    onEvent({ type: 'live', id, at: now() })
  }

  private idle(type: 'idle' | 'error', cause: string): void {
    clearTimeout(this.liveSoon)
    this.liveSoon = undefined
    this.live = false
    const { id, onEvent, now } = this.options
    onEvent({ type, id, at: Math.min(this.lastEndMs || now(), now()), cause })
  }
}
