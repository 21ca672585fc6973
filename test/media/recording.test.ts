import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { MediaEvent } from '../../plugins/live-stream/backend.ts'
import { decodeVideo } from './decode.ts'
import { type Backend, enginePids, fetchFile, recordTags, replay, start, text } from './local.ts'
import type { Publisher } from './publisher.ts'

const test = suite<{ publishers: Publisher[]; backend?: Backend; dir: string }>('recording')
test.before.each(async context => {
  context.publishers = []
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-recording-'))
})
test.after.each(async ({ publishers, backend, dir }) => {
  for (const publisher of publishers) await publisher.kill()
  await backend?.close()
  await rm(dir, { recursive: true, force: true })
})

const [large, small] = await Promise.all([
  recordTags(3),
  recordTags(2, { width: 320, height: 180 }),
])
const recording = (dir: string) => ({
  record: true,
  recordDir: dir,
  recordKeepFreeMb: 0,
  transcode: false,
})

/** Waits for the finished recording; gives the name under which its files are. */
async function recorded(until: (type: MediaEvent['type']) => Promise<MediaEvent>) {
  const event = await until('recording')
  const url = event.type === 'recording' ? (event.url ?? '') : ''
  return /(rec\d{13})\/index\.m3u8$/.exec(url)?.[1] ?? `no recording in ${url}`
}

/** All the media that a playlist names, in order, as a player would fetch it. */
async function watchAll(backend: Backend, name: string) {
  const playlist = await text(backend, `${name}/index.m3u8`)
  const stretches: Buffer[][] = []
  for (const line of playlist.split('\n')) {
    const init = /^#EXT-X-MAP:URI="(.+)"/.exec(line)?.[1]
    const file = init ?? (/^\d+\.m4s$/.test(line) ? line : undefined)
    if (init) stretches.push([])
    if (!file) continue
    const found = await fetchFile(backend, `${name}/${file}`)
    assert.is(found?.type, 'segment', file)
    if (found?.type === 'segment') stretches.at(-1)?.push(Buffer.from(found.body))
  }
  const seconds = [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, value]) => Number(value))
  return { playlist, stretches: stretches.map(one => Buffer.concat(one)), seconds }
}

async function mp4(backend: Backend, name: string, file = 'recording.mp4'): Promise<Buffer> {
  const found = await fetchFile(backend, `${name}/${file}`)
  if (found?.type !== 'file') throw new Error(`no ${file}`)
  const pieces = []
  for await (const piece of found.read(0, found.size)) pieces.push(piece)
  const all = Buffer.concat(pieces)
  assert.is(all.length, found.size)
  // Any range is the same bytes.
  const middle = []
  for await (const piece of found.read(1000, found.size - 1000)) middle.push(piece)
  assert.ok(Buffer.concat(middle).equals(all.subarray(1000, all.length - 1000)))
  return all
}

test('a broadcast with a break becomes one HLS recording and one MP4, and nothing of it is missing', async context => {
  const { backend, events, until } = await start(recording(context.dir))
  context.backend = backend
  let frames = 0
  for (const tags of [large, large]) {
    const before = events.length
    await replay(backend, tags)
    await until('idle', before)
    frames += 90
  }
  assert.is(await fetchFile(backend, 'rec1700000000000/index.m3u8'), undefined)
  await backend.end('a')
  await backend.end('a')
  assert.is(events.filter(event => event.type === 'recording').length, 1)
  const name = await recorded(until)

  const { playlist, stretches, seconds } = await watchAll(backend, name)
  assert.match(playlist, /#EXT-X-PLAYLIST-TYPE:VOD\n/)
  assert.is(playlist.match(/#EXT-X-DISCONTINUITY\n/g)?.length, 1)
  assert.match(playlist, /#EXT-X-ENDLIST\n$/)
  assert.is(stretches.length, 2)
  let decoded = 0
  for (const stretch of stretches) decoded += (await decodeVideo(stretch)).frames
  assert.is(decoded, frames)
  const total = seconds.reduce((sum, one) => sum + one, 0)
  assert.ok(Math.abs(total - frames / 30) < 0.3, `${total} s`)

  const movie = await mp4(backend, name)
  const [moov, mdat] = [movie.indexOf('moov'), movie.indexOf('mdat')]
  assert.ok(moov > 0 && moov < mdat, 'the index stands in front')
  assert.is((await decodeVideo(movie)).frames, frames)

  const [said] = (await backend.media.recordings?.list('a')) ?? []
  assert.equal(said?.mp4, ['recording.mp4'])
  assert.not(said?.hostOnly)
  assert.ok(Math.abs((said?.seconds ?? 0) - total) < 0.01)
  const idle = events.filter(event => event.type === 'idle')
  assert.is(idle.length, 2)

  assert.ok(await backend.media.recordings?.delete('a', name))
  assert.not(await backend.media.recordings?.delete('a', name))
  assert.is(await fetchFile(backend, `${name}/index.m3u8`), undefined)
  const last = events.at(-1)
  assert.is(last?.type === 'recording' ? last.url : 'none', undefined)
  assert.equal(await readdir(join(context.dir, 'a')), [])
})

test('another picture size on the way begins another MP4', async context => {
  const { backend, events, until } = await start(recording(context.dir))
  context.backend = backend
  for (const tags of [large, small]) {
    const before = events.length
    await replay(backend, tags)
    await until('idle', before)
  }
  await backend.end('a')
  const name = await recorded(until)
  const movies = [await mp4(backend, name), await mp4(backend, name, 'recording-2.mp4')]
  const sizes = []
  for (const movie of movies) sizes.push(await decodeVideo(movie))
  assert.equal(sizes, [
    { frames: 90, width: 640, height: 360 },
    { frames: 60, width: 320, height: 180 },
  ])
})

test('a relay that is killed on the way leaves a recording of all that was finished, and goes on with it', async context => {
  const { dir } = context
  const file = fileURLToPath(new URL('./backend-child.ts', import.meta.url))
  const child = fork(file, [JSON.stringify(recording(dir))])
  await once(child, 'message')
  await sleep(3000)
  child.kill('SIGKILL')
  await once(child, 'exit')
  // What a cut-off write leaves.
  const [name = ''] = await readdir(join(dir, 'a'))
  const index = join(dir, 'a', name, 'index.jsonl')
  const whole = (await readFile(index, 'utf8')).trim().split('\n').length
  await appendFile(index, '{"at":12345,"byt')
  await appendFile(join(dir, 'a', name, 'part-1.mp4'), 'half a segment')

  const { backend, events, until } = await start(recording(dir))
  context.backend = backend
  await backend.hooks?.start?.()
  await replay(backend, large)
  await until('idle')
  await backend.end('a')
  assert.is(await recorded(until), name, JSON.stringify(events))
  const { playlist, stretches } = await watchAll(backend, name)
  assert.ok(whole >= 2)
  assert.is(playlist.match(/\.m4s$/gm)?.length, whole - 1 + 2)
  assert.is(stretches.length, 2)
  for (const stretch of stretches) assert.ok((await decodeVideo(stretch)).frames >= 60)
  const movie = await decodeVideo(await mp4(backend, name))
  assert.is(movie.frames, (whole - 1) * 60 + 90)
})

test('what was over when the relay died is finished at the next start', async context => {
  const { dir } = context
  const first = await start(recording(dir))
  await replay(first.backend, large)
  await first.until('idle')
  await first.backend.close()
  const over = { about: async () => ({ paid: true, over: true }) }
  const { backend, until } = await start(recording(dir), 0, over)
  context.backend = backend
  await backend.hooks?.start?.()
  const name = await recorded(until)
  assert.ok((await decodeVideo(await mp4(backend, name))).frames >= 89)
})

test('of a stream that cost something at any time the recording is for the host alone', async context => {
  let paid = false
  const about = async () => ({ paid, over: false })
  const { backend, events, until } = await start(recording(context.dir), 0, { about })
  context.backend = backend
  for (paid of [false, true, false]) {
    const before = events.length
    await replay(backend, large, () => until('live', before))
    await until('idle', before)
  }
  await backend.end('a')
  const event = await until('recording')
  assert.ok(event.type === 'recording' && event.hostOnly, JSON.stringify(events))
  const name = await recorded(until)
  assert.ok((await backend.media.recordings?.get('a', name))?.hostOnly)
})

test('of a stream that its host deleted no recording stays', async context => {
  const { backend, events, until } = await start(recording(context.dir))
  context.backend = backend
  for (let round = 0; round < 2; round++) {
    const before = events.length
    await replay(backend, small)
    await until('idle', before)
    // The second one is under way.
    if (round === 0) await backend.end('a')
  }
  await recorded(until)
  await backend.forget?.('a')
  await backend.forget?.('a')
  assert.equal(await backend.media.recordings?.list('a'), [])
  assert.equal(await readdir(context.dir), [])
})

test('a recording without room stops, its host hears of it, live goes on, and so does the recording once there is room', async context => {
  const bytes = large.reduce((sum, tag) => sum + tag.data.length, 0)
  const recordQuotaMb = (bytes * 1.5) / (1 << 20)
  const { backend, events, logged, until } = await start({
    ...recording(context.dir),
    recordQuotaMb,
  })
  context.backend = backend
  const broadcast = async () => {
    const before = events.length
    await replay(backend, large, () => until('live', before))
    await until('idle', before)
  }
  const told = () => {
    const event = events.findLast(one => one.type === 'health')
    return (event?.type === 'health' && event.problem) || ''
  }
  await broadcast()
  assert.is(told(), '')
  await backend.end('a')
  const first = await recorded(until)

  // Its first segment has room, the second has none.
  const before = events.length
  await broadcast()
  while (!told()) await sleep(20)
  assert.match(
    told(),
    /^the recording has stopped \(the recordings fill their [\d.]+ MB, liveStream.local.recordQuotaMb\), the live stream goes on$/,
  )
  assert.match(logged.join(), /a recording loses media/)
  await backend.media.recordings?.delete('a', first)
  await broadcast()
  while (!told().includes('misses')) await sleep(20)
  assert.match(
    told(),
    /^the recording misses \d+ s from \d\d:\d\d:\d\d UTC on \(the recordings fill/,
  )
  await backend.end('a')
  const second = await recorded(type =>
    until(type, events.findIndex(one => one.type === 'recording' && one.url === undefined) + 1),
  )
  assert.ok(before > 0 && second !== first)
  const { stretches } = await watchAll(backend, second)
  assert.ok(stretches.length >= 2)
  for (const stretch of stretches) assert.ok((await decodeVideo(stretch)).frames >= 30)
})

test('what was kept long enough is deleted, and the stream names it no more', async context => {
  const { dir } = context
  let now = Date.now()
  const clock = { now: () => now }
  const set = { ...recording(dir), recordDays: 1 }
  const first = await start(set, 0, { clock })
  await replay(first.backend, large)
  await first.until('idle')
  await first.backend.end('a')
  await first.until('recording')
  await first.backend.close()

  now += 23 * 3_600_000
  const second = await start(set, 0, { clock })
  await second.backend.hooks?.start?.()
  assert.is((await second.backend.media.recordings?.list('a'))?.length, 1)
  await second.backend.close()
  now += 2 * 3_600_000
  const third = await start(set, 0, { clock })
  context.backend = third.backend
  await third.backend.hooks?.start?.()
  assert.equal(await third.backend.media.recordings?.list('a'), [])
  assert.equal(third.events, [{ type: 'recording', id: 'a', at: now }])
  assert.equal(enginePids(), [])
})

test.run()
