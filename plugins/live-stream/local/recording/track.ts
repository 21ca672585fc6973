import { type Box, children, find } from '../packager/boxes.ts'
import type { TrackRun } from './samples.ts'
import { box, fullBox, list32, list64, Runs, u32, u64 } from './tables.ts'

/** The whole movie's clock: milliseconds. */
export const MOVIE_TIMESCALE = 1000

/** One track of an MP4 that is put together from fragments: its headers are the init segment's, its tables are made here. */
export class Track {
  readonly id: number
  readonly timescale: number
  private readonly trak: Box
  /** Where the track's own clock stands in the init segment's edit list, in its timescale. */
  private readonly shift: number
  private readonly durations = new Runs()
  private readonly offsets = new Runs()
  private readonly sizes: number[] = []
  private readonly syncs: number[] = []
  private readonly chunks: number[] = []
  private readonly chunkSizes: number[] = []
  private first: number | undefined
  private firstOffset = 0
  private last: { at: number; duration: number } | undefined
  /** What is added to the decoding times of the part that is read, so that it follows the one before. */
  private move = 0

  constructor(trak: Box) {
    this.trak = trak
    const [tkhd] = find(trak, 'tkhd')
    const [mdhd] = find(trak, 'mdia', 'mdhd')
    if (!tkhd || !mdhd) throw new Error('an init segment has a track without its headers')
    this.id = tkhd.bytes.readUInt32BE(tkhd.bytes[8] === 1 ? 28 : 20)
    this.timescale = mdhd.bytes.readUInt32BE(mdhd.bytes[8] === 1 ? 28 : 20)
    this.shift = editShift(trak, this.timescale)
  }

  /** When the run is first shown, seconds on its part's clock. */
  shownAt(run: TrackRun): number {
    return (run.start + (run.samples[0]?.offset ?? 0) + this.shift) / this.timescale
  }

  /** Puts a part that begins at `from` (seconds on its own clock) to `to` (seconds in the movie). */
  begin(from: number, to: number): void {
    this.move = Math.round((to - from) * this.timescale)
  }

  /** Adds a run; `base` is where its fragment begins in the media data. */
  add(run: TrackRun, base: number): void {
    let at = run.start + this.move
    this.chunks.push(base + (run.samples[0]?.at ?? 0))
    this.chunkSizes.push(run.samples.length)
    for (const sample of run.samples) {
      // Clocks that overlap by a little at a break: decoding times may only grow.
      const fair = this.last ? Math.max(at, this.last.at + 1) : at
      if (this.last) this.durations.push(fair - this.last.at)
      if (this.first === undefined) {
        this.first = fair
        this.firstOffset = sample.offset
      }
      this.last = { at: fair, duration: sample.duration }
      this.offsets.push(sample.offset)
      this.sizes.push(sample.size)
      if (sample.sync) this.syncs.push(this.sizes.length)
      at += sample.duration
    }
  }

  /** Where the track ends in the movie, seconds. */
  get end(): number {
    return this.last ? (this.last.at + this.last.duration) / this.timescale : 0
  }

  get empty(): boolean {
    return this.sizes.length === 0
  }

  /** The trak box, for media data that begins `dataAt` bytes into the file. Call it when all runs are added. */
  trakBox(dataAt: number): Buffer {
    const [tkhd, hdlr] = [find(this.trak, 'tkhd')[0], find(this.trak, 'mdia', 'hdlr')[0]]
    const [minf] = find(this.trak, 'mdia', 'minf')
    const [stsd] = find(this.trak, 'mdia', 'minf', 'stbl', 'stsd')
    if (!tkhd || !hdlr || !minf || !stsd) throw new Error('an init segment lacks a header')
    const length = (this.last?.at ?? 0) + (this.last?.duration ?? 0) - (this.first ?? 0)
    const inMovie = Math.round((length / this.timescale) * MOVIE_TIMESCALE)
    // Nothing until the first sample is shown; from then on as it stands.
    const shownAt = Math.round(
      (((this.first ?? 0) + this.firstOffset + this.shift) / this.timescale) * MOVIE_TIMESCALE,
    )
    const header = Buffer.from(tkhd.bytes)
    header.writeUInt32BE(inMovie + Math.max(0, shownAt), 28)
    const edits = [
      ...(shownAt > 0 ? [u32(shownAt, -1, 0x10000)] : []),
      u32(inMovie, this.firstOffset, 0x10000),
    ]
    const mdhd = fullBox('mdhd', 1, u64(0, 0), u32(this.timescale), u64(length), u32(0x55c40000))
    const kept = children(minf.bytes.subarray(8)).filter(one => one.type !== 'stbl')
    const stbl = box('stbl', stsd.bytes, ...this.tables(dataAt))
    return box(
      'trak',
      header,
      box('edts', fullBox('elst', 0, u32(edits.length), ...edits)),
      box('mdia', mdhd, hdlr.bytes, box('minf', ...kept.map(one => one.bytes), stbl)),
    )
  }

  private tables(dataAt: number): Buffer[] {
    const durations = this.durations.with(this.last?.duration ?? 0)
    const allSync = this.syncs.length === this.sizes.length
    return [
      durations.table('stts', 0),
      ...(this.offsets.onlyZero ? [] : [this.offsets.table('ctts', 1)]),
      ...(allSync ? [] : [fullBox('stss', 0, u32(this.syncs.length), list32(this.syncs))]),
      this.chunkTable(),
      fullBox('stsz', 0, u32(0, this.sizes.length), list32(this.sizes)),
      fullBox('co64', 0, u32(this.chunks.length), list64(this.chunks.map(at => at + dataAt))),
    ]
  }

  /** Which chunks have how many samples; a line for each change. */
  private chunkTable(): Buffer {
    const rows: number[] = []
    for (const [i, count] of this.chunkSizes.entries())
      if (count !== this.chunkSizes[i - 1]) rows.push(i + 1, count, 1)
    return fullBox('stsc', 0, u32(rows.length / 3), list32(rows))
  }
}

/** How much later (or earlier) than its own times an init segment shows a track: an empty edit, and where the media begins. */
function editShift(trak: Box, timescale: number): number {
  const [elst] = find(trak, 'edts', 'elst')
  if (elst?.bytes[8] !== 0) return 0
  let shift = 0
  for (let i = 0, at = 16; i < elst.bytes.readUInt32BE(12); i++, at += 12) {
    const mediaTime = elst.bytes.readInt32BE(at + 4)
    if (mediaTime >= 0) return shift - mediaTime
    shift += Math.round((elst.bytes.readUInt32BE(at) / MOVIE_TIMESCALE) * timescale)
  }
  return shift
}
