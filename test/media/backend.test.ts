import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeVideo } from './decode.ts'
import {
  type Backend,
  enginePids,
  engines,
  fetchFile,
  media,
  publishRaw,
  start,
  text,
} from './local.ts'
import type { Publisher } from './publisher.ts'
import { client } from './rtmp-client.ts'

/** The stream's picture, as a player of pictures sees it. */
async function pictureSize(backend: Backend) {
  const file = await fetchFile(backend, 'thumbnail.jpg')
  if (file?.type !== 'segment' || file.contentType !== 'image/jpeg') throw new Error('no picture')
  return decodeVideo(file.body)
}

for (const engine of await engines()) {
  const test = suite<{ publishers: Publisher[]; backend?: Backend }>(`local backend, ${engine}`)
  test.before.each(context => {
    context.publishers = []
  })
  test.after.each(async ({ publishers, backend }) => {
    for (const publisher of publishers) await publisher.kill()
    await backend?.close()
  })

  test('real RTMP becomes playable HLS in two renditions that line up', async context => {
    const { backend, until, push } = await start({ engine })
    context.backend = backend
    context.publishers.push(push('key-a', { width: 1280, height: 720 }))
    await until('live')
    await until('progress')
    await sleep(2500)
    const master = await text(backend, 'master.m3u8')
    assert.match(
      master,
      /BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+,CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",RESOLUTION=1280x720,FRAME-RATE=30\.\d+,NAME="source"\nsource\/index\.m3u8/,
    )
    assert.match(master, /RESOLUTION=85[24]x480,FRAME-RATE=\d+\.\d+,NAME="480p"\n480p\/index\.m3u8/)
    const [source, small] = [await media(backend, 'source'), await media(backend, '480p')]
    for (const { bytes } of [source, small]) assert.ok((await decodeVideo(bytes)).frames >= 55)
    const starts = (playlist: string) =>
      [...playlist.matchAll(/DATE-TIME:(\S+)/g)].map(([, time]) => Date.parse(time ?? ''))
    const [one, two] = [starts(source.playlist)[0] ?? 0, starts(small.playlist)[0] ?? 0]
    assert.ok(Math.abs(one - two) < 700, `${one - two} ms apart`)
    assert.match(source.playlist, /#EXT-X-TARGETDURATION:2\n/)
    assert.match(source.playlist, /#EXTINF:2\.0\d\d,/)
    assert.equal(await pictureSize(backend), { frames: 1, width: 640, height: 360 })
    assert.is(await fetchFile(backend, 'source/../../etc.m4s'), undefined)
    assert.is(await fetchFile(backend, 'source/1.m4s'), undefined)
  })

  test('a killed engine is replaced without dropping the publisher', async context => {
    const { backend, events, until, push } = await start({ engine, transcode: false })
    context.backend = backend
    const publisher = push('key-a')
    context.publishers.push(publisher)
    await until('live')
    assert.equal(await pictureSize(backend), { frames: 1, width: 640, height: 360 })
    const before = events.length
    for (const pid of enginePids()) process.kill(pid, 'SIGKILL')
    await until('error', before)
    await until('live', before)
    await sleep(2500)
    const { playlist, bytes } = await media(backend, 'source')
    assert.match(playlist, /#EXT-X-DISCONTINUITY\n/)
    assert.ok((await decodeVideo(bytes)).frames > 20)
    assert.is(await Promise.race([publisher.exited, sleep(50).then(() => 'alive')]), 'alive')
  })

  test.run()
}

const test = suite<{ publishers: Publisher[]; backend?: Backend }>('local backend')
test.before.each(context => {
  context.publishers = []
})
test.after.each(async ({ publishers, backend }) => {
  for (const publisher of publishers) await publisher.kill()
  await backend?.close()
})

test('the newest publisher takes over, and viewers see no more than one break; going away is told; the end ends the playlist', async context => {
  const { backend, events, until, push } = await start({ transcode: false })
  context.backend = backend
  const first = push('key-a')
  context.publishers.push(first)
  await until('live')
  const second = push('key-a')
  context.publishers.push(second)
  assert.is.not(await first.exited, 0)
  await until('progress', events.length)
  await sleep(2500)
  assert.not(
    events.some(event => event.type === 'idle'),
    'it was live all the while',
  )
  const taken = (await media(backend, 'source')).playlist
  assert.is(taken.match(/#EXT-X-DISCONTINUITY\n/g)?.length, 1)
  // What the first one sent last was written out, and the second begins with a keyframe: no more than its start is missing.
  const times = [...taken.matchAll(/DATE-TIME:(\S+)\n#EXTINF:([\d.]+)/g)]
  const gaps = times.slice(1).map(([, at], i) => {
    const [, before, seconds] = times[i] ?? []
    return Date.parse(at ?? '') - Date.parse(before ?? '') - Number(seconds) * 1000
  })
  assert.ok(Math.max(...gaps) < 2000, `${gaps} ms are missing`)

  const before = events.length
  await second.stop()
  const idle = await until('idle', before)
  assert.ok(idle.at <= Date.now())
  await backend.end('a')
  const { playlist } = await media(backend, 'source')
  assert.match(playlist, /#EXT-X-ENDLIST\n$/, JSON.stringify(events) + playlist)
})

test('another key cuts who publishes with the old one', async context => {
  const { backend, until, push } = await start({ transcode: false })
  context.backend = backend
  const publisher = push('key-a')
  context.publishers.push(publisher)
  await publisher.publishing
  const { rtmp } = (await backend.rotateKey?.({ id: 'a', title: '', key: 'key-b' })) ?? {}
  assert.is(rtmp?.key, 'key-b')
  assert.is.not(await publisher.exited, 0)
  await until('idle')
})

test('a broadcast that lasts too long is cut, its host and its encoder hear why, and another begins after the end', async context => {
  const { backend, until } = await start({ transcode: false, maxMinutes: 0.05 })
  context.backend = backend
  const one = await publishRaw(backend)
  const sending = setInterval(() => one.media(8, 0, Buffer.from('af001210', 'hex')), 100)
  await one.gone()
  clearInterval(sending)
  const why = /a broadcast may last 0.05 minutes here \(liveStream.local.maxMinutes\)/
  assert.match(one.heard(), /NetStream.Publish.Denied/)
  assert.match(one.heard(), why)
  const health = await until('health')
  assert.match((health.type === 'health' && health.problem) || '', why)
  const again = await client(backend.rtmpPort)
  await again.shake()
  again.publish('key-a')
  await again.gone()
  assert.match(again.heard(), why)
  await backend.end('a')
  const next = await publishRaw(backend)
  next.socket.destroy()
})

test('too high a bitrate is cut, with the key to change in the reason', async context => {
  const { backend, until, push } = await start({ transcode: false, maxBitrateKbps: 100 })
  context.backend = backend
  const publisher = push('key-a')
  context.publishers.push(publisher)
  const idle = await until('idle')
  const why = /^more than 100 kbit\/s were sent: lower the bitrate .*maxBitrateKbps/
  assert.match('cause' in idle ? idle.cause : '', why)
  const health = await until('health')
  assert.match((health.type === 'health' && health.problem) || '', why)
})

test.run()
