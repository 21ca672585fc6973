import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { children, find } from '../packager/boxes.ts'
import { codecConfig } from '../packager/init.ts'
import { type Part, partFile, type RecordedSegment } from './index-file.ts'
import { readSamples, type TrackRun } from './samples.ts'
import { box, fullBox, u32, u64 } from './tables.ts'
import { MOVIE_TIMESCALE, Track } from './track.ts'

/** An MP4 is its head (ftyp, moov and the beginning of an mdat) and then the parts' files as they are. */
export interface Movie {
  readonly head: Buffer
  /** Numbers of the parts that follow, in order, and how many bytes of each. */
  readonly parts: readonly { readonly number: number; readonly bytes: number }[]
}

/**
 * Makes one MP4 with its index in front (faststart) out of parts, without copying their media: sample tables point into the
 * fragments where they lie. Parts that another encoder setting made begin another MP4, since one cannot hold both.
 */
export async function makeMovies(folder: string, parts: readonly Part[]): Promise<Movie[]> {
  const groups: { settings: string; parts: Part[] }[] = []
  for (const part of parts) {
    const settings = settingsOf(await initOf(folder, part))
    const last = groups.at(-1)
    if (last?.settings === settings) last.parts.push(part)
    else groups.push({ settings, parts: [part] })
  }
  const movies = []
  for (const group of groups) movies.push(await makeMovie(folder, group.parts))
  return movies
}

async function makeMovie(folder: string, parts: readonly Part[]): Promise<Movie> {
  const [first] = parts
  if (!first) throw new Error('an MP4 of nothing')
  const tracks = traks(await initOf(folder, first)).map(trak => new Track(trak))
  let base = 0
  const laid = []
  for (const part of parts) {
    await layPart(folder, part, base, tracks)
    const bytes = lengthOf(part)
    laid.push({ number: part.number, bytes })
    base += bytes
  }
  return {
    head: headOf(
      tracks.filter(track => !track.empty),
      base,
    ),
    parts: laid,
  }
}

/** Bytes of a part's file up to the end of its last segment. */
export function lengthOf(part: Part): number {
  const last = part.segments.at(-1)
  return last ? last.at + last.bytes : part.init
}

async function layPart(folder: string, part: Part, base: number, tracks: Track[]): Promise<void> {
  const file = await open(join(folder, partFile(part.number)), 'r')
  try {
    let begun = false
    for (const segment of part.segments)
      for await (const { at, runs } of fragments(file, segment)) {
        const known = runs.flatMap(run => {
          const track = tracks.find(one => one.id === run.trackId)
          return track ? [{ track, run }] : []
        })
        if (!begun && known.length > 0) {
          const from = Math.min(...known.map(({ track, run }) => track.shownAt(run)))
          const to = Math.max(...tracks.map(track => track.end))
          for (const track of tracks) track.begin(from, to)
          begun = true
        }
        for (const { track, run } of known) track.add(run, base + at)
      }
  } finally {
    await file.close()
  }
}

/** The fragments of a segment: only their moof boxes are read, the media is stepped over. */
async function* fragments(
  file: FileHandle,
  segment: RecordedSegment,
): AsyncGenerator<{ at: number; runs: TrackRun[] }> {
  const head = Buffer.alloc(8)
  const end = segment.at + segment.bytes
  for (let at = segment.at; at < end; ) {
    await file.read(head, 0, 8, at)
    const size = head.readUInt32BE(0)
    if (size < 8 || at + size > end) throw new Error(`a recording has a broken box at ${at}`)
    if (head.toString('latin1', 4) === 'moof') {
      const moof = Buffer.alloc(size)
      await file.read(moof, 0, size, at)
      yield { at, runs: readSamples(moof) }
    }
    at += size
  }
}

async function initOf(folder: string, part: Part): Promise<Buffer> {
  const file = await open(join(folder, partFile(part.number)), 'r')
  try {
    const bytes = Buffer.alloc(part.init)
    await file.read(bytes, 0, part.init, 0)
    return bytes
  } finally {
    await file.close()
  }
}

function traks(init: Buffer) {
  const moov = children(init).find(one => one.type === 'moov')
  if (!moov) throw new Error('a recording has an init segment without a moov')
  return find(moov, 'trak')
}

/** What two parts must have in common to lie in one MP4. */
const settingsOf = (init: Buffer): string =>
  traks(init)
    .map(trak => `${new Track(trak).timescale} ${codecConfig(trak)}`)
    .join()

const FTYP = box('ftyp', Buffer.from('isom'), u32(0x200), Buffer.from('isomiso2avc1mp41'))
const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

function headOf(tracks: readonly Track[], dataBytes: number): Buffer {
  const seconds = Math.max(...tracks.map(track => track.end))
  const nextId = 1 + Math.max(...tracks.map(track => track.id))
  const mvhd = fullBox(
    'mvhd',
    1,
    ...[u64(0, 0), u32(MOVIE_TIMESCALE), u64(Math.round(seconds * MOVIE_TIMESCALE))],
    // Rate 1, volume 1.
    ...[u32(0x10000, 0x01000000, 0, 0), MATRIX, u32(0, 0, 0, 0, 0, 0, nextId)],
  )
  const moov = (dataAt: number) => box('moov', mvhd, ...tracks.map(one => one.trakBox(dataAt)))
  // The offsets in it depend on its length, which does not depend on them.
  const dataAt = FTYP.length + moov(0).length + 16
  const mdat = Buffer.concat([u32(1), Buffer.from('mdat'), u64(16 + dataBytes)])
  return Buffer.concat([FTYP, moov(dataAt), mdat])
}
