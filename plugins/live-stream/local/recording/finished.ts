import { open, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { PICTURE_PATH } from '../../backend.ts'
import { filled, type Part, type RecordingIndex, readIndex, summary } from './index-file.ts'
import { makeMovies } from './mp4.ts'
import { syncFolder } from './recorder.ts'

const FILE = 'recording.json'

const shape = z.object({
  /** Unix ms. */
  startedAt: z.number(),
  endedAt: z.number(),
  seconds: z.number(),
  missingSeconds: z.number(),
  bytes: z.number(),
  hostOnly: z.boolean(),
  picture: z.boolean(),
  /** Each MP4: its name, the file with its head, and the parts that follow. */
  movies: z.array(
    z.object({
      file: z.string(),
      head: z.string(),
      headBytes: z.number(),
      parts: z.array(z.object({ number: z.number(), bytes: z.number() })),
    }),
  ),
})
type Saved = z.output<typeof shape>

/** A finished recording as it lies in its folder. */
export interface Finished extends Saved {
  readonly name: string
  readonly folder: string
  readonly parts: readonly Part[]
}

/**
 * Finishes a recording: heads for its MP4s, then the file that says that it is finished. Undefined when there is no media in
 * it. An MP4 that cannot be made is reported and left out: the playlist needs none.
 */
export async function finish(
  folder: string,
  index: RecordingIndex,
  picture: Uint8Array | undefined,
  report: (error: unknown) => void,
): Promise<Finished | undefined> {
  const sum = summary(index)
  if (!sum) return undefined
  const parts = filled(index)
  const movies = await saveMovies(folder, parts).catch(error => {
    report(error)
    return []
  })
  const drawn = picture
    ? await writeFile(join(folder, PICTURE_PATH), picture, { mode: 0o600 }).then(
        () => true,
        () => false,
      )
    : false
  const saved = { ...sum, hostOnly: index.hostOnly, picture: drawn, movies }
  await save(folder, saved)
  return { ...saved, name: basename(folder), folder, parts }
}

async function saveMovies(folder: string, parts: readonly Part[]): Promise<Saved['movies']> {
  const saved = []
  for (const [i, movie] of (await makeMovies(folder, parts)).entries()) {
    const name = i === 0 ? 'recording' : `recording-${i + 1}`
    await writeFile(join(folder, `${name}.head`), movie.head, { mode: 0o600 })
    saved.push({
      file: `${name}.mp4`,
      head: `${name}.head`,
      headBytes: movie.head.length,
      parts: [...movie.parts],
    })
  }
  return saved
}

async function save(folder: string, saved: Saved): Promise<void> {
  const file = await open(join(folder, `${FILE}.new`), 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(saved))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(join(folder, `${FILE}.new`), join(folder, FILE))
  await syncFolder(folder)
}

/** Reads a finished recording; undefined for one that is not (yet). */
export async function readFinished(folder: string): Promise<Finished | undefined> {
  const text = await readFile(join(folder, FILE), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const saved = shape.parse(JSON.parse(text))
  return { ...saved, name: basename(folder), folder, parts: filled(await readIndex(folder)) }
}
