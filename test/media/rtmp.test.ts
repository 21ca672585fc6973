import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AmfValue, decodeAmf, encodeAmf } from '../../plugins/live-stream/local/rtmp/amf.ts'
import {
  ChunkReader,
  type RtmpMessage,
  writeMessage,
} from '../../plugins/live-stream/local/rtmp/chunks.ts'
import { rtmpServer } from '../../plugins/live-stream/local/rtmp/server.ts'
import type { FlvTag } from '../../plugins/live-stream/local/rtmp/session.ts'
import { client } from './rtmp-client.ts'

interface Context {
  server: Awaited<ReturnType<typeof rtmpServer>>
  asked: string[]
  tags: FlvTag[]
  closed: string[]
}
const test = suite<Context>('rtmp')

test.before.each(async context => {
  Object.assign(context, { asked: [], tags: [], closed: [] })
  context.server = await rtmpServer({
    bind: '127.0.0.1',
    port: 0,
    idleMs: 1000,
    hooks: {
      async accept(key) {
        context.asked.push(key)
        await sleep(20)
        return key === 'good' ? tag => void context.tags.push(tag) : undefined
      },
      closed: (_session, cause) => void context.closed.push(cause),
    },
  })
})
test.after.each(({ server }) => server.close())

test('a publisher with a good key sends media; timestamps and script data come as FLV has them', async ({
  server,
  tags,
  asked,
}) => {
  const one = await client(server.port)
  await one.shake()
  one.publish('good?token=1')
  while (!one.heard().includes('NetStream.Publish.Start')) await sleep(5)
  assert.equal(asked, ['good'])
  one.socket.write(
    writeMessage(4, 18, 1, encodeAmf('@setDataFrame', 'onMetaData', { width: 640 }), 128),
  )
  one.socket.write(writeMessage(6, 9, 1, Buffer.alloc(5000, 0x17), 128))
  while (tags.length < 2) await sleep(5)
  assert.equal(
    tags.map(tag => tag.type),
    [18, 9],
  )
  assert.equal(decodeAmf(tags[0]?.data ?? Buffer.alloc(0))[0], 'onMetaData')
  assert.is(tags[1]?.data.length, 5000)
  one.socket.destroy()
})

test('a wrong key is refused before any media, and says so', async ({ server, tags }) => {
  const one = await client(server.port)
  await one.shake()
  one.publish('bad')
  one.socket.write(writeMessage(6, 9, 1, Buffer.alloc(50, 0x17), 128))
  await one.gone()
  assert.match(one.heard(), /NetStream\.Publish\.BadName/)
  assert.equal(tags, [])
})

test('nobody plays here, and nobody publishes elsewhere than /live', async ({ server }) => {
  const player = await client(server.port)
  await player.shake()
  player.command('connect', 1, { app: 'live' })
  player.command('play', 2, null, 'good')
  await player.gone()
  assert.match(player.heard(), /NetStream\.Play\.Failed/)
  const stray = await client(server.port)
  await stray.shake()
  stray.command('connect', 1, { app: 'other' })
  await stray.gone()
  assert.match(stray.heard(), /Connect\.Rejected/)
})

test('media before a key counts for nothing; a message that claims megabytes closes', async ({
  server,
  tags,
  closed,
}) => {
  const one = await client(server.port)
  await one.shake()
  one.command('connect', 1, { app: 'live' })
  one.socket.write(writeMessage(6, 9, 1, Buffer.alloc(50, 0x17), 128))
  const header = Buffer.from([6, 0, 0, 0, 0x40, 0, 0, 9, 1, 0, 0, 0])
  one.socket.write(header)
  await one.gone()
  assert.equal(tags, [])
  assert.match(closed.join(), /a message of 4194304 bytes/)
})

test('who sends nothing is cut', async ({ server, closed }) => {
  const one = await client(server.port)
  await one.gone()
  assert.match(closed.join(), /nothing for too long/)
})

test('any bytes at all leave the server standing', async ({ server }) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 4000 }), fc.boolean(), async (bytes, greeted) => {
      const one = await client(server.port)
      if (greeted) await one.shake()
      one.socket.end(Buffer.from(bytes))
      await one.gone()
    }),
    { numRuns: 60 },
  )
  const last = await client(server.port)
  await last.shake()
  last.publish('good')
  while (!last.heard().includes('NetStream.Publish.Start')) await sleep(5)
  last.socket.destroy()
})

test('AMF0 that was written is read again; what nests too deeply or lies about its length is refused', () => {
  const value = fc.letrec<{ value: AmfValue }>(tie => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.string({ maxLength: 20 }),
      fc.constant(null),
      fc
        .dictionary(fc.string({ minLength: 1, maxLength: 5 }), tie('value'), { maxKeys: 3 })
        .map(object => ({ ...object })),
    ),
  })).value
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), values => {
      assert.is(JSON.stringify(decodeAmf(encodeAmf(...values))), JSON.stringify(values))
    }),
  )
  const nested = Buffer.concat(Array.from({ length: 50 }, () => Buffer.from([3, 0, 1, 0x61])))
  assert.throws(() => decodeAmf(nested), /too deeply|cut short/)
  assert.throws(() => decodeAmf(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff])), /cut short/)
  assert.throws(() => decodeAmf(Buffer.from([0x0c, 0xff, 0xff, 0xff, 0xff])), /cut short/)
})

test('messages in chunks of any size, cut anywhere, come out whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 700 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 97 }),
      (payloads, chunkSize, cut) => {
        const bytes = Buffer.concat(
          payloads.map(one => writeMessage(4, 9, 1, Buffer.from(one), chunkSize)),
        )
        const reader = new ChunkReader(1 << 20)
        reader.setChunkSize(chunkSize)
        const seen: RtmpMessage[] = []
        for (let at = 0; at < bytes.length; at += cut)
          reader.push(bytes.subarray(at, at + cut), message => void seen.push(message))
        assert.equal(
          seen.map(message => [...message.payload]),
          payloads.map(one => [...one]),
        )
      },
    ),
  )
})

test.run()
