import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * A line of a recording's index: a new part, a segment in the newest part, or that the recording is for its host alone. A line is
 * written only once what it speaks of is on disk, so whatever the index names can be played.
 */
const line = z.union([
  z.object({ part: z.int(), init: z.int() }),
  z.object({ at: z.int(), bytes: z.int(), seconds: z.number(), startMs: z.number() }),
  z.object({ hostOnly: z.literal(true) }),
])
export type IndexLine = z.output<typeof line>

/** A piece of media inside its part's file. */
export interface RecordedSegment {
  readonly at: number
  readonly bytes: number
  readonly seconds: number
  /** Wall clock, unix ms. */
  readonly startMs: number
}

/** A stretch of media without a break: one fragmented MP4 that plays by itself. `init` is the length of its init segment. */
export interface Part {
  readonly number: number
  readonly init: number
  readonly segments: RecordedSegment[]
}

export interface RecordingIndex {
  readonly parts: Part[]
  hostOnly: boolean
  /** Length of what is whole in the index file; a crash may have left half a line behind it. */
  bytes: number
}

export const INDEX_FILE = 'index.jsonl'
export const partFile = (number: number): string => `part-${number}.mp4`

export const emptyIndex = (): RecordingIndex => ({ parts: [], hostOnly: false, bytes: 0 })

/** Adds what a line says to the index. */
export function apply(index: RecordingIndex, said: IndexLine): void {
  if ('part' in said) index.parts.push({ number: said.part, init: said.init, segments: [] })
  else if ('hostOnly' in said) index.hostOnly = true
  else index.parts.at(-1)?.segments.push(said)
}

/** Reads the index in a recording's folder, as far as it is whole and its media is there. */
export async function readIndex(folder: string): Promise<RecordingIndex> {
  const bytes = await readFile(join(folder, INDEX_FILE)).catch(ifMissing)
  const index = emptyIndex()
  for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at)) {
    const said = parseLine(bytes.toString('utf8', at, end))
    if (!said) break
    apply(index, said)
    index.bytes = end + 1
  }
  for (const part of index.parts) {
    const size = await stat(join(folder, partFile(part.number))).then(
      found => found.size,
      () => 0,
    )
    const whole = part.segments.findIndex(({ at, bytes }) => at + bytes > size)
    if (whole >= 0) part.segments.length = whole
  }
  return index
}

function ifMissing(error: NodeJS.ErrnoException): Buffer {
  if (error.code === 'ENOENT') return Buffer.alloc(0)
  throw error
}

function parseLine(text: string): IndexLine | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Parts that hold something. */
export const filled = (index: RecordingIndex): Part[] =>
  index.parts.filter(part => part.segments.length > 0)

const MISSING_MS = 1000

/** What a recording adds up to; undefined for one without media. */
export function summary(index: RecordingIndex) {
  const parts = filled(index)
  const all = parts.flatMap(part => part.segments)
  const [first, last] = [all[0], all.at(-1)]
  if (!first || !last) return undefined
  let missingMs = 0
  let endMs = first.startMs
  for (const segment of all) {
    // Clocks differ by some ms where nothing is missing.
    if (segment.startMs - endMs > MISSING_MS) missingMs += segment.startMs - endMs
    endMs = segment.startMs + segment.seconds * 1000
  }
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  return {
    startedAt: Math.round(first.startMs),
    endedAt: Math.round(endMs),
    seconds: sum(all.map(segment => segment.seconds)),
    missingSeconds: missingMs / 1000,
    bytes: sum(parts.map(part => part.init)) + sum(all.map(segment => segment.bytes)),
  }
}
