import { BoxReader } from './boxes.ts'
import { readMoof, readMoov, type TrackInfo } from './init.ts'

/** A finished piece of media: whole fragments, so that parts of it can be offered alone (LL-HLS) later. */
export interface MediaSegment {
  readonly sequence: number
  readonly fragments: readonly Buffer[]
  readonly bytes: number
  readonly seconds: number
  /** Wall clock, unix ms. */
  readonly startMs: number
  readonly endMs: number
  /** Which init segment it needs; a new one after each break in the media. */
  readonly run: number
}

interface OpenSegment {
  readonly fragments: Buffer[]
  readonly start: bigint
  duration: bigint
  samples: number
}

/** A break of more than this between the media's clock and the wall's is taken over into the wall times. */
const MAX_DRIFT_MS = 1000

/**
 * One rendition of a live stream: takes the engine's MP4 and keeps a window of segments in memory. Numbers of
 * segments and inits begin at the wall clock, so a restart of the relay never names other media alike (caches);
 * from there they count one by one, because a player counts along (RFC 8216, 6.2.2).
 */
export class Rendition {
  readonly segments: MediaSegment[] = []
  readonly inits = new Map<number, Buffer>()
  info: TrackInfo | undefined
  /** Segments that left the window together with the break before them (EXT-X-DISCONTINUITY-SEQUENCE). */
  droppedBreaks = 0
  /** Longest segment so far, seconds (EXT-X-TARGETDURATION must not shrink). */
  longest = 0
  peakBitsPerSecond = 0
  /** Pictures a second in the newest segment; undefined without video. */
  frameRate: number | undefined
  private run = 0
  private next = 0
  private reader = new BoxReader()
  private ftyp: Buffer = Buffer.alloc(0)
  private moof: Buffer | undefined
  private open: OpenSegment | undefined
  private anchorMs: number | undefined
  private readonly options: RenditionOptions

  constructor(options: RenditionOptions) {
    this.options = options
  }

  /** A new engine begins to write. */
  begin(nowMs: number): void {
    const fromClock = Math.floor((nowMs - SEQUENCE_EPOCH_MS) / 100)
    this.run = this.run === 0 ? fromClock : this.run + 1
    this.next ||= fromClock
    this.reader = new BoxReader()
    this.moof = undefined
    this.open = undefined
    this.anchorMs = undefined
  }

  /** Nothing more is made of it. */
  clear(): void {
    this.open = undefined
    this.segments.length = 0
    this.inits.clear()
  }

  push(bytes: Buffer, nowMs: number): void {
    for (const box of this.reader.push(bytes)) {
      if (box.type === 'ftyp') this.ftyp = box.bytes
      else if (box.type === 'moov') {
        this.info = readMoov(box)
        this.inits.set(this.run, Buffer.concat([this.ftyp, box.bytes]))
      } else if (box.type === 'moof') this.moof = box.bytes
      else if (box.type === 'mdat' && this.moof && this.info) {
        this.fragment(this.moof, box.bytes, nowMs)
        this.moof = undefined
      }
    }
  }

  /** What has come of the last segment is all that will come. */
  finish(nowMs: number): void {
    if (this.open) this.close(this.open, nowMs)
    this.open = undefined
  }

  /** Fragments begin with keyframes; a segment is as many as reach the target length. */
  private fragment(moof: Buffer, mdat: Buffer, nowMs: number): void {
    const timing = this.info?.timing
    const times = timing && readMoof({ type: 'moof', bytes: moof }, timing.trackId)
    if (!timing || !times) return
    this.open ??= { fragments: [], start: times.start, duration: 0n, samples: 0 }
    this.open.fragments.push(Buffer.concat([moof, mdat]))
    this.open.duration += times.duration
    this.open.samples += times.samples
    const seconds = Number(this.open.duration) / timing.timescale
    if (seconds < this.options.targetSeconds * 0.85) return
    this.close(this.open, nowMs)
    this.open = undefined
  }

  private close(open: OpenSegment, nowMs: number): void {
    const timescale = this.info?.timing.timescale ?? 1
    const seconds = Number(open.duration) / timescale
    if (seconds === 0) return
    const bytes = open.fragments.reduce((sum, fragment) => sum + fragment.length, 0)
    const mediaEndMs = (Number(open.start) / timescale + seconds) * 1000
    // The gate bills by these times: they follow the wall, smoothly while the media keeps up with it.
    if (this.anchorMs === undefined || Math.abs(this.anchorMs + mediaEndMs - nowMs) > MAX_DRIFT_MS)
      this.anchorMs = nowMs - mediaEndMs
    const endMs = this.anchorMs + mediaEndMs
    const startMs = endMs - seconds * 1000
    const sequence = this.next++
    const { fragments } = open
    const segment = { sequence, fragments, bytes, seconds, startMs, endMs, run: this.run }
    this.segments.push(segment)
    this.longest = Math.max(this.longest, seconds)
    this.peakBitsPerSecond = Math.max(this.peakBitsPerSecond, (bytes * 8) / Math.max(seconds, 0.5))
    this.frameRate = this.info?.width === undefined ? undefined : open.samples / seconds
    this.trim()
    this.options.onSegment(segment)
  }

  private trim(): void {
    const { windowSeconds } = this.options
    const maxBytes = this.options.maxBytes()
    let seconds = this.segments.reduce((sum, segment) => sum + segment.seconds, 0)
    let bytes = this.segments.reduce((sum, segment) => sum + segment.bytes, 0)
    while (this.segments.length > 3 && (seconds > windowSeconds || bytes > maxBytes)) {
      const gone = this.segments.shift()
      if (!gone) return
      seconds -= gone.seconds
      bytes -= gone.bytes
      if (gone.run === this.segments[0]?.run) continue
      this.droppedBreaks += 1
      this.inits.delete(gone.run)
    }
  }
}

export interface RenditionOptions {
  readonly targetSeconds: number
  readonly windowSeconds: number
  /** How much it may hold now. */
  maxBytes(): number
  /** A segment stands. */
  onSegment(segment: MediaSegment): void
}

/** 2024-01-01: keeps the numbers short. They count tenths of a second, which is faster than segments come. */
const SEQUENCE_EPOCH_MS = 1_704_067_200_000
