import { createHash } from 'node:crypto'
import type { Playlist, Segment } from '../../plugins/live-stream/backend.ts'
import { createLocalBackend } from '../../plugins/live-stream/local/index.ts'
import { localOptions } from '../../plugins/live-stream/local/options.ts'
import { transportStream } from './transport-stream.ts'

/** The init segment under which a segment stands in a playlist. */
function initOf(playlist: string, segment: string): string | undefined {
  const [before] = playlist.split(`\n${segment}\n`)
  return before === playlist
    ? undefined
    : before
        ?.match(/#EXT-X-MAP:URI="([^"]+)"/g)
        ?.at(-1)
        ?.split('"')[1]
}

function asTransportStream(file: Playlist | Segment | undefined) {
  if (file?.type !== 'playlist') return undefined
  const text = file.text
    .replace(/^#EXT-X-MAP:.*\n/gm, '')
    .replace(/\.m4s$/gm, '.ts')
    .replace('VERSION:7', 'VERSION:3')
  return { type: 'playlist' as const, text }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A finished recording: what its media playlist names, by path. */
export type Recording = ReadonlyMap<string, { contentType: string; body: Uint8Array }>

/** Real media behind the provider's wire: RTMP in, HLS out, by our own local engine. */
export async function providerMedia(options: {
  rtmpPort?: number
  /** The stream that may be pushed to with this key. */
  allowed(hashedKey: string): string | undefined
  onActive(id: string): void
  onIdle(id: string): void
}) {
  const backend = await createLocalBackend({
    ...localOptions.parse({ rtmpPort: options.rtmpPort ?? 0, transcode: false }),
    clock: { now: Date.now },
    log: silent,
    dataDir: '',
    innerTargets: false,
    urlOf: id => id,
    about: async () => undefined,
    publishers: {
      async find(hashedKey) {
        const id = options.allowed(hashedKey)
        // The provider says that a stream has started when its media comes in, not when it can be played.
        if (id) setImmediate(() => options.onActive(id))
        return id === undefined ? undefined : { id }
      },
    },
    onEvent: event => {
      if (event.type === 'idle') options.onIdle(event.id)
    },
  })
  async function fragmented(id: string, path: string): Promise<Playlist | Segment | undefined> {
    const signal = AbortSignal.timeout(5000)
    const file = await backend.media.fetch(id, path, new URLSearchParams(), signal)
    return file?.type === 'file' ? undefined : file
  }

  /** The provider's HLS is transport streams: our engine's MP4 is rewrapped, segment by segment. */
  async function file(id: string, path: string): Promise<Playlist | Segment | undefined> {
    const name = /^source\/(\d+)\.ts$/.exec(path)?.[1]
    if (name === undefined) return asTransportStream(await fragmented(id, path))
    const playlist = await fragmented(id, 'source/index.m3u8')
    const init = playlist?.type === 'playlist' && initOf(playlist.text, `${name}.m4s`)
    const parts = init && [
      await fragmented(id, `source/${init}`),
      await fragmented(id, `source/${name}.m4s`),
    ]
    const bytes = (parts || []).flatMap(part => (part?.type === 'segment' ? [part.body] : []))
    if (bytes.length < 2) return undefined
    const body = await transportStream(Buffer.concat(bytes))
    return { type: 'segment', contentType: 'video/mp2t', body }
  }

  return {
    rtmpUrl: `rtmp://127.0.0.1:${backend.rtmpPort}/live`,
    rtmpPort: backend.rtmpPort,
    file,
    stop: (id: string) => backend.end(id),
    /** All that the stream's window holds, as a playlist that has ended. */
    async record(id: string): Promise<Recording> {
      const recording = new Map<string, { contentType: string; body: Uint8Array }>()
      const playlist = await file(id, 'source/index.m3u8')
      if (playlist?.type !== 'playlist') return recording
      const ended = playlist.text.replace(/(#EXT-X-ENDLIST\n)?$/, '#EXT-X-ENDLIST\n')
      const contentType = 'application/vnd.apple.mpegurl'
      recording.set('index.m3u8', { contentType, body: Buffer.from(ended) })
      const names = [...ended.matchAll(/^(?!#)(\S+)$|URI="([^"]+)"/gm)].map(m => m[1] ?? m[2] ?? '')
      for (const name of new Set(names)) {
        const segment = await file(id, `source/${name}`)
        if (segment?.type === 'segment') recording.set(name, segment)
      }
      return recording
    },
    close: () => backend.close(),
  }
}
export type ProviderMedia = Awaited<ReturnType<typeof providerMedia>>

export const hashed = (key: string): string => createHash('sha256').update(key).digest('hex')
