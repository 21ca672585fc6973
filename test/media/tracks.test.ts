import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeVideo } from './decode.ts'
import {
  type Backend,
  engines,
  media,
  publishRaw,
  recordTags,
  replay,
  start,
  text,
} from './local.ts'
import type { Publisher } from './publisher.ts'

const test = suite<{ publishers: Publisher[]; backend?: Backend }>('local backend, tracks')
test.before.each(context => {
  context.publishers = []
})
test.after.each(async ({ publishers, backend }) => {
  for (const publisher of publishers) await publisher.kill()
  await backend?.close()
})

for (const engine of await engines()) {
  test(`a stream of sound alone is playable, ${engine}`, async context => {
    const { backend, until, push } = await start({ engine })
    context.backend = backend
    context.publishers.push(push('key-a', { only: 'audio' }))
    await until('live')
    assert.match(await text(backend, 'master.m3u8'), /CODECS="mp4a\.40\.2",NAME="source"/)
    const { playlist, bytes } = await media(backend, 'source')
    assert.match(playlist, /#EXTINF:2\.\d+,/)
    assert.ok(bytes.includes('mp4a') && bytes.includes('moof'))
  })

  test(`a stream without sound is playable, ${engine}`, async context => {
    const { backend, until, push } = await start({ engine })
    context.backend = backend
    context.publishers.push(push('key-a', { only: 'video', width: 1280, height: 720 }))
    await until('live')
    assert.match(await text(backend, 'master.m3u8'), /CODECS="avc1\.[0-9a-f]{6}",RESOLUTION/)
    for (const rendition of ['source', '480p'])
      assert.ok((await decodeVideo((await media(backend, rendition)).bytes)).frames > 50)
  })

  test(`pictures that come late are shown, ${engine}`, async context => {
    const { backend, events, until } = await start({ engine, transcode: false, idleSeconds: 60 })
    context.backend = backend
    const tags = (await recordTags(5)).filter(tag => tag.type !== 18)
    const sound = tags.filter(tag => tag.type === 8)
    const one = await publishRaw(backend)
    for (const { timestamp, data } of sound) one.media(8, timestamp, data)
    await until('live')
    const before = events.length
    assert.not.match(await text(backend, 'master.m3u8'), 'avc1')
    for (const { type, timestamp, data } of tags)
      one.media(type === 9 ? 9 : 8, 5000 + timestamp, data)
    await sleep(3000)
    assert.match(await text(backend, 'master.m3u8'), /avc1/)
    assert.not(events.slice(before).some(event => event.type === 'error'))
    one.socket.destroy()
  })
}

test('a source that is no larger than 480p is not made smaller', async context => {
  const { backend, until } = await start()
  context.backend = backend
  await replay(backend, await recordTags(3), () => until('live'))
  const master = await text(backend, 'master.m3u8')
  assert.match(master, /RESOLUTION=640x360/)
  assert.not.match(master, /480p/)
  assert.equal(backend.media.qualities('a'), ['source'])
})

test.run()
