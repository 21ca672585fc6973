import { join } from 'node:path'
import type { Clock, Logger } from '../../../plugin.ts'
import { type MediaEvent, PICTURE_PATH, recordingOf } from '../../backend.ts'
import type { LocalOptions } from '../options.ts'
import { recordingFile } from './files.ts'
import { Library } from './library.ts'

/** The recordings of the local backend: made, kept and served. */
export async function recordings(
  options: LocalOptions & {
    clock: Clock
    log: Logger
    dataDir: string
    about(id: string): Promise<{ paid: boolean; over: boolean } | undefined>
    urlOf(id: string): string
    onEvent(event: MediaEvent): void
    tell(id: string, source: string, problem: string): void
  },
) {
  const { clock, log, about, urlOf, onEvent, tell } = options
  const library = await Library.open({
    folder: options.recordDir || join(options.dataDir, 'recordings'),
    keepDays: options.recordDays,
    quotaMb: options.recordQuotaMb,
    keepFreeMb: options.recordKeepFreeMb,
    ...{ clock, log, about },
    onProblem: (id, problem) => tell(id, 'recording', problem),
    onRecording(id, recording) {
      const event = { type: 'recording', id, at: clock.now() } as const
      if (!recording) return onEvent(event)
      const { name, hostOnly, picture } = recording
      const url = `${urlOf(id)}/${name}/index.m3u8`
      const image = picture ? `${urlOf(id)}/${name}/${PICTURE_PATH}` : undefined
      onEvent({ ...event, url, image, hostOnly })
    },
  })
  return {
    library,
    /** A file below a recording, for example `rec1763716088123/index.m3u8`. */
    async fetch(id: string, path: string) {
      const name = recordingOf(path)
      const recording = name && (await library.get(id, name))
      return recording ? recordingFile(recording, path.slice(name.length + 1)) : undefined
    },
  }
}
