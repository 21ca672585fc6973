import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MediaEvent } from '../../plugins/live-stream/backend.ts'
import type { EngineName } from '../../plugins/live-stream/local/engine/engine.ts'
import { findFfmpeg } from '../../plugins/live-stream/local/engine/ffmpeg.ts'
import { createLocalBackend } from '../../plugins/live-stream/local/index.ts'
import { localOptions } from '../../plugins/live-stream/local/options.ts'
import { rtmpServer } from '../../plugins/live-stream/local/rtmp/server.ts'
import type { FlvTag } from '../../plugins/live-stream/local/rtmp/session.ts'
import { startPublisher } from './publisher.ts'
import { client } from './rtmp-client.ts'

export type Backend = Awaited<ReturnType<typeof createLocalBackend>>
const hash = (key: string) => createHash('sha256').update(key).digest('hex')

/** A local backend on a free port that knows one stream, `a`, with the key `key-a`. */
export async function start(
  set: object = {},
  checkMs = 0,
  more: Partial<Parameters<typeof createLocalBackend>[0]> = {},
) {
  const events: MediaEvent[] = []
  const logged: string[] = []
  const note = (...what: unknown[]) => void logged.push(JSON.stringify(what))
  const keys = new Map([[hash('key-a'), { id: 'a' }]])
  const backend = await createLocalBackend({
    ...localOptions.parse({ rtmpPort: 0, ...set }),
    clock: { now: Date.now },
    dataDir: join(tmpdir(), 'sluice-no-recordings'),
    innerTargets: false,
    urlOf: id => `http://relay/p/${id}`,
    about: async () => ({ paid: false, over: false }),
    log: { debug: note, info: note, warn: note, error: note },
    publishers: {
      async find(keyHash) {
        await sleep(checkMs)
        return keys.get(keyHash)
      },
    },
    onEvent: event => void events.push(event),
    ...more,
  })
  const until = async (type: MediaEvent['type'], after = 0): Promise<MediaEvent> => {
    for (let i = 0; i < 300; i++) {
      const event = events.slice(after).find(one => one.type === type)
      if (event) return event
      await sleep(50)
    }
    throw new Error(`no ${type} event; there are ${JSON.stringify(events)}`)
  }
  const push = (key: string, more: object = {}) =>
    startPublisher({ url: `rtmp://127.0.0.1:${backend.rtmpPort}/live/${key}`, ...more })
  return { backend, events, logged, until, push }
}

export const fetchFile = (backend: Backend, path: string) =>
  backend.media.fetch('a', path, new URLSearchParams(), AbortSignal.timeout(1000))
export const text = async (backend: Backend, path: string): Promise<string> => {
  const file = await fetchFile(backend, path)
  return file?.type === 'playlist' ? file.text : ''
}
/** A rendition's playlist, and its newest segment behind its init. */
export async function media(backend: Backend, rendition: string) {
  const playlist = await text(backend, `${rendition}/index.m3u8`)
  const lines = playlist.split('\n')
  const init = /#EXT-X-MAP:URI="([^"]+)"/.exec(
    lines.findLast(line => line.startsWith('#EXT-X-MAP')) ?? '',
  )?.[1]
  const last = lines.findLast(line => line.endsWith('.m4s'))
  const files = await Promise.all(
    [init, last].map(name => fetchFile(backend, `${rendition}/${name}`)),
  )
  return {
    playlist,
    bytes: Buffer.concat(
      files.map(file => (file?.type === 'segment' ? file.body : Buffer.alloc(0))),
    ),
  }
}

/** An accepted publisher whose every tag the test writes itself. */
export async function publishRaw(backend: Pick<Backend, 'rtmpPort'>, key = 'key-a') {
  const one = await client(backend.rtmpPort)
  await one.shake()
  one.publish(key)
  await one.hears('NetStream.Publish.Start')
  return one
}

/** The engines that can be tested here; says so where one cannot. */
export async function engines(): Promise<EngineName[]> {
  if (await findFfmpeg()) return ['node-av', 'ffmpeg']
  console.log('SKIP the ffmpeg engine: install ffmpeg to test it')
  return ['node-av']
}

/** Sends what an encoder sent before, all at once; leaves as an encoder does, once `stayed` has resolved. */
export async function replay(
  backend: Pick<Backend, 'rtmpPort'>,
  tags: readonly FlvTag[],
  stayed?: () => Promise<unknown>,
  key?: string,
) {
  const one = await publishRaw(backend, key)
  for (const { type, timestamp, data } of tags) if (type !== 18) one.media(type, timestamp, data)
  await stayed?.()
  one.command('deleteStream', 9, null, 1)
  await one.gone()
}

/** What a real encoder sends, tag by tag. */
export async function recordTags(seconds: number, more: object = {}): Promise<FlvTag[]> {
  const tags: FlvTag[] = []
  const server = await rtmpServer({
    bind: '127.0.0.1',
    port: 0,
    idleMs: 5000,
    hooks: { accept: async () => tag => void tags.push(tag), closed() {} },
  })
  const url = `rtmp://127.0.0.1:${server.port}/live/key`
  const { exited } = startPublisher({ url, seconds, ...more })
  await exited
  await server.close()
  return tags
}

/** The engines that this very process runs: others on this machine are none of a test's business. */
export const enginePids = (): number[] =>
  execFileSync('ps', ['--ppid', String(process.pid), '-o', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter(line => /node-av-child| -f flv -i pipe:0/.test(line))
    .map(line => Number.parseInt(line, 10))
