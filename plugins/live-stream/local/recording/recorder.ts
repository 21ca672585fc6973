import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../../plugin.ts'
import type { MediaSegment } from '../packager/rendition.ts'
import {
  apply,
  emptyIndex,
  INDEX_FILE,
  type IndexLine,
  partFile,
  type RecordingIndex,
} from './index-file.ts'

/** A disk this far behind loses segments, rather than the relay its memory. */
const MAX_PENDING_BYTES = 64 << 20
const { O_RDWR, O_CREAT } = constants

interface OpenPart {
  readonly file: FileHandle
  readonly run: number
  /** Where the next segment goes. */
  end: number
}

/**
 * Writes one broadcast to its folder, segment by segment: first the media, synced, then its line in the index, synced. A kill at
 * any moment leaves all segments that the index names. What cannot be written is left out, the host hears of it, and the
 * next segment that can be begins a new part, which players take for a break (EXT-X-DISCONTINUITY).
 */
export class Recorder {
  readonly folder: string
  readonly index: RecordingIndex
  private readonly options: RecorderOptions
  private queue: Promise<void> = Promise.resolve()
  private pendingBytes = 0
  private indexFile: FileHandle | undefined
  private part: OpenPart | undefined
  /** Since when nothing could be written, unix ms, and why. */
  private lost: { sinceMs: number; cause: string } | undefined

  constructor(options: RecorderOptions) {
    this.options = options
    this.folder = options.folder
    this.index = options.index ?? emptyIndex()
  }

  /** Takes a finished segment and its init segment; what becomes of them is told by `onProblem`. */
  add(segment: MediaSegment, init: Uint8Array): void {
    if (this.pendingBytes + segment.bytes > MAX_PENDING_BYTES) {
      // In its turn: those before it are still to be written. The next one must not seem to follow them.
      this.queue = this.queue.then(() => {
        this.lose(segment.startMs, 'the disk is too slow')
        return this.endPart()
      })
      return
    }
    this.pendingBytes += segment.bytes
    this.queue = this.queue.then(async () => {
      await this.write(segment, init).catch(async error => {
        this.lose(segment.startMs, causeOf(error))
        await this.endPart()
      })
      this.pendingBytes -= segment.bytes
    })
  }

  /** Resolves once all that was added is on disk or given up, and closes the files. */
  async close(): Promise<void> {
    this.queue = this.queue.then(async () => {
      await this.endPart()
      await this.indexFile?.close()
      this.indexFile = undefined
    })
    await this.queue
  }

  private async write(segment: MediaSegment, init: Uint8Array): Promise<void> {
    const refusal = await this.options.refuses(segment.bytes + init.length)
    if (refusal !== undefined) throw new Error(refusal)
    await this.openIndex()
    if (!this.index.hostOnly && (await this.options.hostOnly())) await this.note({ hostOnly: true })
    const part = await this.partFor(segment, init)
    const at = part.end
    await writeAll(part.file, segment.fragments, at)
    await part.file.datasync()
    const { bytes, seconds, startMs } = segment
    await this.note({ at, bytes, seconds, startMs })
    part.end = at + bytes
    this.options.onBytes(bytes)
    this.found(startMs)
  }

  private async openIndex(): Promise<void> {
    if (this.indexFile) return
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    this.indexFile = await open(join(this.folder, INDEX_FILE), O_RDWR | O_CREAT, 0o600)
    await syncFolder(join(this.folder, '..'))
  }

  private async partFor(segment: MediaSegment, init: Uint8Array): Promise<OpenPart> {
    if (this.part?.run === segment.run) return this.part
    await this.endPart()
    const number = (this.index.parts.at(-1)?.number ?? 0) + 1
    // A file of that name can only be one that never came into the index.
    const file = await open(join(this.folder, partFile(number)), 'w', 0o600)
    try {
      await writeAll(file, [init], 0)
      await file.datasync()
      await syncFolder(this.folder)
      await this.note({ part: number, init: init.length })
    } catch (error) {
      await file.close()
      throw error
    }
    this.options.onBytes(init.length)
    this.part = { file, run: segment.run, end: init.length }
    return this.part
  }

  /** Adds a line to the index; one that could not be written whole is taken off again. */
  private async note(said: IndexLine): Promise<void> {
    const { indexFile, index } = this
    if (!indexFile) throw new Error('the index is not open')
    const bytes = Buffer.from(`${JSON.stringify(said)}\n`)
    // Also what a crash left of a line.
    await indexFile.truncate(index.bytes)
    await writeAll(indexFile, [bytes], index.bytes)
    await indexFile.datasync()
    index.bytes += bytes.length
    apply(index, said)
  }

  private async endPart(): Promise<void> {
    const { part } = this
    this.part = undefined
    if (!part) return
    // What was begun behind the last whole segment goes, so that the file plays by itself.
    await part.file.truncate(part.end).catch(() => undefined)
    await part.file.close().catch(() => undefined)
  }

  private lose(startMs: number, cause: string): void {
    if (this.lost) return
    this.lost = { sinceMs: startMs, cause }
    const { log, stream, onProblem } = this.options
    log.error({ stream, cause, folder: this.folder }, 'a recording loses media')
    onProblem(`the recording has stopped (${cause}), the live stream goes on`)
  }

  private found(startMs: number): void {
    if (!this.lost) return
    const { sinceMs, cause } = this.lost
    this.lost = undefined
    const seconds = Math.max(0, (startMs - sinceMs) / 1000)
    const { log, stream, onProblem } = this.options
    log.warn({ stream, cause, seconds }, 'a recording goes on after a gap')
    const from = new Date(sinceMs).toISOString().slice(11, 19)
    onProblem(`the recording misses ${seconds.toFixed(0)} s from ${from} UTC on (${cause})`)
  }
}

export interface RecorderOptions {
  /** The stream's public id, for the log. */
  readonly stream: string
  readonly folder: string
  /** What an earlier process has written already. */
  readonly index?: RecordingIndex
  readonly log: Logger
  /** Why so many more bytes cannot be taken now; undefined where they can. */
  refuses(bytes: number): Promise<string | undefined>
  /** Must this be kept from the public now? */
  hostOnly(): Promise<boolean>
  onBytes(written: number): void
  onProblem(problem: string): void
}

async function writeAll(
  file: FileHandle,
  pieces: readonly Uint8Array[],
  from: number,
): Promise<void> {
  let at = from
  for (const piece of pieces)
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await file.write(piece, done, piece.length - done, at)
      done += bytesWritten
      at += bytesWritten
    }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full'
  return code === undefined ? message : `the disk answers ${code}`
}
