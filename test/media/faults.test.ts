import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusedCodec } from '../../plugins/live-stream/local/codecs.ts'
import { type Backend, enginePids, media, publishRaw, start } from './local.ts'
import type { Publisher } from './publisher.ts'
import { client } from './rtmp-client.ts'

const test = suite<{ publishers: Publisher[]; backend?: Backend }>('local backend, faults')
test.before.each(context => {
  context.publishers = []
})
test.after.each(async ({ publishers, backend }) => {
  for (const publisher of publishers) await publisher.kill()
  await backend?.close()
  assert.equal(enginePids(), [], 'an engine is left behind')
})

const sequences = (playlist: string) =>
  [...playlist.matchAll(/^(\d+)\.m4s$/gm)].map(([, number]) => Number(number))
const firstSequence = (playlist: string) =>
  Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1])

test('numbers of segments go on by one after a break, and after a restart never come again', async context => {
  const first = await start({ transcode: false })
  context.backend = first.backend
  for (let round = 0; round < 2; round++) {
    const before = first.events.length
    const publisher = first.push('key-a')
    context.publishers.push(publisher)
    await first.until('live', before)
    await sleep(1000)
    await publisher.stop()
    await first.until('idle', before)
  }
  await sleep(500)
  await first.backend.end('a')
  const { playlist } = await media(first.backend, 'source')
  assert.match(playlist, /#EXT-X-DISCONTINUITY\n#EXT-X-MAP/)
  assert.match(playlist, /#EXT-X-ENDLIST\n$/)
  const numbers = sequences(playlist)
  assert.equal(
    numbers,
    numbers.map((_, i) => firstSequence(playlist) + i),
  )
  const seconds = [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, value]) => Number(value))
  assert.ok((seconds.at(-1) ?? 9) < 1.7, `the tail was lost: ${seconds}`)
  await first.backend.close()

  const second = await start({ transcode: false })
  context.backend = second.backend
  context.publishers.push(second.push('key-a'))
  await second.until('live')
  const fresh = (await media(second.backend, 'source')).playlist
  assert.ok(firstSequence(fresh) > (numbers.at(-1) ?? Infinity))
  const init = /URI="([^"]+)"/
  assert.not(playlist.includes(init.exec(fresh)?.[1] ?? 'init'))
})

test('codecs that no browser plays are refused with a sentence', async context => {
  const { backend, events, until, push } = await start({ transcode: false })
  context.backend = backend
  const one = await publishRaw(backend)
  one.media(9, 0, Buffer.from('9068766331010203', 'hex'))
  await one.gone()
  const idle = await until('idle')
  assert.is(
    'cause' in idle && idle.cause,
    'the video is hvc1: set the encoder to H.264 (x264, NVENC H.264)',
  )
  // The host reads it, until media flows that can be played.
  const health = await until('health')
  assert.match((health.type === 'health' && health.problem) || '', /^the video is hvc1/)
  const before = events.length
  context.publishers.push(push('key-a'))
  const well = await until('health', before)
  assert.is(well.type === 'health' ? well.problem : 'no health', undefined)
  const tag = (type: 8 | 9, hex: string) => ({ type, timestamp: 0, data: Buffer.from(hex, 'hex') })
  assert.match(refusedCodec(tag(8, '2f00')) ?? '', /MP3: set the encoder's audio to AAC/)
  assert.match(refusedCodec(tag(9, '1c00')) ?? '', /HEVC/)
  assert.is(refusedCodec(tag(8, 'af00')), undefined)
  assert.is(refusedCodec(tag(9, '1700')), undefined)
})

test('media that is no media ends its publisher after some engines, and nobody else', async context => {
  const { backend, events, until, push } = await start({ idleSeconds: 60 })
  context.backend = backend
  const one = await publishRaw(backend)
  // An AVC header that promises parameter sets, then noise.
  one.media(9, 0, Buffer.from('1700000000014d401effe1ffff', 'hex'))
  for (let i = 0; i < 300; i++) one.media(9, i * 33, Buffer.alloc(4000, i % 30 ? 0x27 : 0x17))
  for (let i = 0; i < 300; i++) one.media(8, i * 33, Buffer.alloc(200, 0xaf))
  await Promise.race([one.gone(), sleep(12_000).then(() => one.socket.destroy())])
  await until('idle')
  assert.not(events.some(event => event.type === 'live'))
  const causes = events.map(event => ('cause' in event ? event.cause : '')).join()
  assert.match(causes, /the engine ended with code 2: \w/)
  context.publishers.push(push('key-a'))
  await until('live')
})

test('a connection that lives without media is given up', async context => {
  const { backend, until } = await start({ idleSeconds: 2 })
  context.backend = backend
  const one = await publishRaw(backend)
  const pings = setInterval(() => one.command('ping', 9, null), 200)
  await one.gone()
  clearInterval(pings)
  const idle = await until('idle')
  assert.match('cause' in idle ? idle.cause : '', /no media/)
})

test('who leaves while the key is looked up pushes nobody out', async context => {
  const { backend, events, until, push } = await start({ transcode: false }, 300)
  context.backend = backend
  const publisher = push('key-a')
  context.publishers.push(publisher)
  await until('live')
  const one = await client(backend.rtmpPort)
  await one.shake()
  one.publish('key-a')
  await sleep(100)
  one.socket.resetAndDestroy()
  await sleep(1000)
  assert.not(events.some(event => event.type === 'idle'))
  assert.is(await Promise.race([publisher.exited, 'publishing']), 'publishing')
})

test('an engine that hangs at the end is killed', async context => {
  const { backend, until, push } = await start({ transcode: false })
  context.backend = backend
  const publisher = push('key-a')
  context.publishers.push(publisher)
  await until('live')
  for (const pid of enginePids()) process.kill(pid, 'SIGSTOP')
  await publisher.stop()
  await until('idle')
  await sleep(6000)
  assert.equal(enginePids(), [])
})

test('a stream key stands in no log line and in no event, right or wrong', async context => {
  const { backend, events, logged, until, push } = await start({ transcode: false })
  context.backend = backend
  const stranger = push('key-b')
  assert.is.not(await stranger.exited, 0)
  const publisher = push('key-a', { seconds: 3 })
  context.publishers.push(publisher)
  await until('idle')
  assert.match(logged.join(), /a stream key that is not known/)
  assert.not.match(logged.join() + JSON.stringify(events), /key-[ab]/)
  assert.is(
    (await backend.create({ id: 'a', title: '', key: 'key-a' })).rtmp.server,
    `rtmp://127.0.0.1:${backend.rtmpPort}/live`,
  )
})

test('a backend that is killed leaves no engine behind', async () => {
  const child = fork(fileURLToPath(new URL('./backend-child.ts', import.meta.url)))
  const [pids] = (await once(child, 'message')) as [number[]]
  assert.is(pids.length, 1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (let i = 0; i < 40 && pids.some(alive); i++) await sleep(100)
  assert.equal(pids.filter(alive), [])
})

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test.run()
