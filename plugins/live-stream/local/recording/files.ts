import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type MediaFile, PICTURE_PATH, type Playlist, type Segment } from '../../backend.ts'
import type { Finished } from './finished.ts'
import { type Part, partFile, type RecordedSegment } from './index-file.ts'

const PIECE_BYTES = 256 << 10

/** A recording's file by its name below the recording: `index.m3u8`, `init-1.mp4`, `12.m4s`, `recording.mp4`, `thumbnail.jpg`. */
export async function recordingFile(
  recording: Finished,
  name: string,
): Promise<Playlist | Segment | MediaFile | undefined> {
  if (name === 'index.m3u8') return { type: 'playlist', text: vodPlaylist(recording.parts) }
  if (name === PICTURE_PATH && recording.picture) return picture(recording)
  const movie = recording.movies.find(one => one.file === name)
  if (movie) return movieFile(recording, movie)
  const init = /^init-(\d{1,9})\.mp4$/.exec(name)
  if (init) {
    const part = recording.parts.find(one => one.number === Number(init[1]))
    return part && pieceOf(recording, part, { at: 0, bytes: part.init }, 'video/mp4')
  }
  const number = /^(\d{1,9})\.m4s$/.exec(name)
  return number ? segmentFile(recording, Number(number[1])) : undefined
}

/** The whole recording as HLS (RFC 8216): each part begins with its own init segment, behind a discontinuity. */
export function vodPlaylist(parts: readonly Part[]): string {
  const longest = Math.max(...parts.flatMap(part => part.segments).map(one => one.seconds))
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    `#EXT-X-TARGETDURATION:${Math.max(1, Math.round(longest))}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-INDEPENDENT-SEGMENTS',
  ]
  let sequence = 0
  for (const [i, part] of parts.entries()) {
    if (i > 0) lines.push('#EXT-X-DISCONTINUITY')
    lines.push(`#EXT-X-MAP:URI="init-${part.number}.mp4"`)
    const [first] = part.segments
    if (first) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(first.startMs).toISOString()}`)
    for (const segment of part.segments)
      lines.push(`#EXTINF:${segment.seconds.toFixed(3)},`, `${sequence++}.m4s`)
  }
  return `${[...lines, '#EXT-X-ENDLIST'].join('\n')}\n`
}

async function segmentFile(recording: Finished, number: number): Promise<Segment | undefined> {
  let before = 0
  for (const part of recording.parts) {
    const segment = part.segments[number - before]
    if (segment) return pieceOf(recording, part, segment, 'video/iso.segment')
    before += part.segments.length
  }
  return undefined
}

async function pieceOf(
  { folder }: Finished,
  part: Part,
  { at, bytes }: Pick<RecordedSegment, 'at' | 'bytes'>,
  contentType: string,
): Promise<Segment> {
  const file = await open(join(folder, partFile(part.number)), 'r')
  try {
    const body = Buffer.alloc(bytes)
    await file.read(body, 0, bytes, at)
    return { type: 'segment', contentType, body }
  } finally {
    await file.close()
  }
}

async function picture({ folder }: Finished): Promise<Segment> {
  const body = await readFile(join(folder, PICTURE_PATH))
  return { type: 'segment', contentType: 'image/jpeg', body }
}

/** An MP4 is its head and then the parts' files, read one after the other as one. */
function movieFile({ folder }: Finished, movie: Finished['movies'][number]): MediaFile {
  const files = [
    { name: movie.head, bytes: movie.headBytes },
    ...movie.parts.map(({ number, bytes }) => ({ name: partFile(number), bytes })),
  ]
  const size = files.reduce((sum, file) => sum + file.bytes, 0)
  return {
    type: 'file',
    contentType: 'video/mp4',
    size,
    async *read(from, to) {
      let begins = 0
      for (const { name, bytes } of files) {
        const [first, last] = [Math.max(from - begins, 0), Math.min(to - begins, bytes)]
        if (first < last) yield* readRange(join(folder, name), first, last)
        begins += bytes
      }
    },
  }
}

async function* readRange(path: string, from: number, to: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    for (let at = from; at < to; ) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, to - at))
      const { bytesRead } = await file.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw new Error(`${path} is shorter than its index says`)
      yield piece.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}
