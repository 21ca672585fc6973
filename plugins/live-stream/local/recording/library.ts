import { mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Logger } from '../../../plugin.ts'
import type { Recording } from '../../backend.ts'
import { type Finished, finish, readFinished } from './finished.ts'
import { readIndex } from './index-file.ts'
import { Recorder } from './recorder.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MIB = 1 << 20

export interface LibraryOptions {
  readonly folder: string
  /** 0 keeps them until somebody deletes them. */
  readonly keepDays: number
  /** Of all recordings together; 0 for no limit. */
  readonly quotaMb: number
  /** So much of the disk stays free for everything else. */
  readonly keepFreeMb: number
  readonly clock: Clock
  readonly log: Logger
  /** What the relay knows of a stream now; undefined when it knows none of that id. */
  about(id: string): Promise<{ paid: boolean; over: boolean } | undefined>
  onProblem(id: string, problem: string): void
  /** A finished recording is there, or gone (undefined). */
  onRecording(id: string, recording: Finished | undefined): void
}

const STREAM = /^[0-9a-z]{1,64}$/
const NAME = /^rec\d{13}$/

/**
 * All recordings of this relay: `<folder>/<stream id>/<name>/`. The folder is the truth; a recording without its
 * `recording.json` was not finished, and is gone on with when its publisher comes back, or finished when the stream is over.
 */
export class Library {
  private readonly options: LibraryOptions
  private readonly recorders = new Map<string, Recorder>()
  /** Finished ones that were asked for, by folder. */
  private readonly known = new Map<string, Finished>()
  /** Of streams that are over, what a crash or a full disk left: to be finished at the start, and each hour. */
  private leftOver: { id: string; recorder: Recorder }[] = []
  private bytes = 0
  private sweeper: NodeJS.Timeout | undefined

  private constructor(options: LibraryOptions) {
    this.options = options
  }

  /** Opens the folder, or makes it, and finds what was under way. Throws a sentence where it cannot be used. */
  static async open(options: LibraryOptions): Promise<Library> {
    const library = new Library(options)
    await mkdir(options.folder, { recursive: true, mode: 0o700 }).catch(cause => {
      throw new Error(`recordings cannot go to ${options.folder} (liveStream.local.recordDir)`, {
        cause,
      })
    })
    await library.recover()
    return library
  }

  /** Finishes what a crash left, and from now on deletes what was kept long enough. */
  async start(): Promise<void> {
    const round = async () => {
      await this.completeLeftOver()
      await this.sweep()
    }
    await round()
    this.sweeper = setInterval(() => void round().catch(this.report), HOUR_MS)
    this.sweeper.unref()
  }

  /** A full disk keeps a recording from being finished, not the relay from its work: it is tried again each hour. */
  private async completeLeftOver(): Promise<void> {
    for (const one of this.leftOver.splice(0))
      await this.complete(one.id, one.recorder).catch(error => {
        this.leftOver.push(one)
        this.report(error)
      })
  }

  /** Where the stream's media goes: the recording that is under way, or a new one. */
  recorder(id: string): Recorder {
    const known = this.recorders.get(id)
    if (known) return known
    const recorder = this.makeRecorder(id, `rec${this.options.clock.now()}`)
    this.recorders.set(id, recorder)
    return recorder
  }

  private makeRecorder(id: string, name: string, index?: Recorder['index']): Recorder {
    const { log, about, onProblem } = this.options
    return new Recorder({
      stream: id,
      folder: join(this.options.folder, id, name),
      index,
      log,
      refuses: bytes => this.refuses(bytes),
      hostOnly: async () => (await about(id))?.paid ?? true,
      onBytes: written => {
        this.bytes += written
      },
      onProblem: problem => onProblem(id, problem),
    })
  }

  /**
   * The broadcast is over: what was recorded of it can be watched. Twice is the same as once; where it rejects (no room)
   * nothing is lost, and it can be asked again.
   */
  async finish(id: string, picture?: Uint8Array): Promise<void> {
    const recorder = this.recorders.get(id)
    if (!recorder) return
    this.recorders.delete(id)
    await this.complete(id, recorder, picture).catch(error => {
      if (this.recorders.has(id)) this.leftOver.push({ id, recorder })
      else this.recorders.set(id, recorder)
      throw error
    })
  }

  private async complete(id: string, recorder: Recorder, picture?: Uint8Array): Promise<void> {
    await recorder.close()
    const finished = await finish(recorder.folder, recorder.index, picture, this.report)
    // Nothing was written: there was no media, or no room for any.
    if (!finished) return rm(recorder.folder, { recursive: true, force: true })
    const { seconds, missingSeconds, hostOnly } = finished
    this.options.log.info({ stream: id, seconds, missingSeconds, hostOnly }, 'a recording is ready')
    this.options.onRecording(id, finished)
  }

  /** A finished recording; undefined when there is none of that name. */
  async get(id: string, name: string): Promise<Finished | undefined> {
    if (!STREAM.test(id) || !NAME.test(name)) return undefined
    const folder = join(this.options.folder, id, name)
    const known = this.known.get(folder)
    if (known) return known
    const found = await readFinished(folder)
    if (!found) return undefined
    // An index of eight hours holds a megabyte: few are watched at a time.
    if (this.known.size >= 32) this.known.clear()
    this.known.set(folder, found)
    return found
  }

  async list(id: string): Promise<Recording[]> {
    const names = STREAM.test(id) ? await namesIn(join(this.options.folder, id), NAME) : []
    const found = []
    for (const name of names.sort().reverse()) {
      const one = await this.get(id, name)
      if (one) found.push(this.describe(one))
    }
    return found
  }

  private describe(one: Finished): Recording {
    const { name, startedAt, endedAt, seconds, missingSeconds, bytes, hostOnly } = one
    const mp4 = one.movies.map(movie => movie.file)
    const { keepDays } = this.options
    const expires = keepDays > 0 ? { expiresAt: endedAt + keepDays * DAY_MS } : {}
    return { name, startedAt, endedAt, seconds, missingSeconds, bytes, hostOnly, mp4, ...expires }
  }

  /** Takes a recording off the disk. The stream then names the newest that is left. */
  async delete(id: string, name: string): Promise<boolean> {
    const found = await this.get(id, name)
    if (!found) return false
    await rm(found.folder, { recursive: true, force: true })
    this.known.delete(found.folder)
    this.bytes -= found.bytes
    this.options.log.info({ stream: id, recording: name }, 'a recording was deleted')
    await this.announce(id)
    return true
  }

  private async announce(id: string): Promise<void> {
    const [newest] = await this.list(id)
    this.options.onRecording(id, newest && (await this.get(id, newest.name)))
  }

  /** Takes all recordings of a stream off the disk, also one that is under way. */
  async forget(id: string): Promise<void> {
    if (!STREAM.test(id)) return
    const recorder = this.recorders.get(id)
    this.recorders.delete(id)
    await recorder?.close()
    for (const { name } of await this.list(id)) await this.delete(id, name)
    await rm(join(this.options.folder, id), { recursive: true, force: true })
  }

  /** Waits until all that came is on disk. What is not finished is gone on with at the next start. */
  async close(): Promise<void> {
    clearInterval(this.sweeper)
    for (const recorder of this.recorders.values()) await recorder.close()
  }

  /** Why so many bytes more are not taken. */
  private async refuses(bytes: number): Promise<string | undefined> {
    const { folder, quotaMb, keepFreeMb } = this.options
    if (quotaMb > 0 && this.bytes + bytes > quotaMb * MIB)
      return `the recordings fill their ${quotaMb} MB, liveStream.local.recordQuotaMb`
    const { bavail, bsize } = await statfs(folder)
    if (bavail * bsize - bytes < keepFreeMb * MIB)
      return 'the disk is full up to what liveStream.local.recordKeepFreeMb keeps free'
    return undefined
  }

  private async recover(): Promise<void> {
    for (const id of await namesIn(this.options.folder, STREAM)) {
      const over = (await this.options.about(id))?.over ?? true
      for (const name of (await namesIn(join(this.options.folder, id), NAME)).sort()) {
        const finished = await this.get(id, name)
        if (finished) this.bytes += finished.bytes
        else await this.resume(id, name, over)
      }
    }
  }

  /** A recording that was under way when the relay stopped. Only the newest of a stream can go on. */
  private async resume(id: string, name: string, over: boolean): Promise<void> {
    const folder = join(this.options.folder, id, name)
    const recorder = this.makeRecorder(id, name, await readIndex(folder))
    const segments = recorder.index.parts.flatMap(part => part.segments)
    this.bytes += segments.reduce((sum, segment) => sum + segment.bytes, 0)
    const older = this.recorders.get(id)
    if (older) this.leftOver.push({ id, recorder: older })
    if (over) this.leftOver.push({ id, recorder })
    else this.recorders.set(id, recorder)
  }

  /** Deletes what was kept long enough. */
  async sweep(): Promise<void> {
    if (this.options.keepDays === 0) return
    const before = this.options.clock.now() - this.options.keepDays * DAY_MS
    for (const id of await namesIn(this.options.folder, STREAM))
      for (const { name, endedAt } of await this.list(id))
        if (endedAt < before) await this.delete(id, name)
  }

  private readonly report = (error: unknown): void =>
    this.options.log.error({ error }, 'a recording could not be looked after')
}

async function namesIn(folder: string, shape: RegExp): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter(one => one.isDirectory() && shape.test(one.name)).map(one => one.name)
}
