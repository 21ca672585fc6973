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

test('what comes behind a refusal in the same packet counts for nothing', async ({
  server,
  asked,
}) => {
  const one = await client(server.port)
  await one.shake()
  const commands: AmfValue[][] = [
    ['connect', 1, { app: 'live' }],
    ['play', 2, null, 'good'],
    ['publish', 3, null, 'good', 'live'],
  ]
  one.socket.write(
    Buffer.concat(commands.map(values => writeMessage(3, 20, 0, encodeAmf(...values), 128))),
  )
  await one.gone()
  await sleep(50)
  assert.equal(asked, [])
})

test('publish needs connect, and comes once', async ({ server, asked, closed }) => {
  const early = await client(server.port)
  await early.shake()
  early.command('publish', 1, null, 'good', 'live')
  await early.gone()
  assert.equal(asked, [])
  const twice = await client(server.port)
  await twice.shake()
  twice.publish('good')
  await twice.hears('NetStream.Publish.Start')
  twice.command('publish', 6, null, 'good', 'live')
  await twice.gone()
  assert.match(closed.join(), /without connect.*published twice/)
})

test('who asks and does not listen is cut', async ({ server, closed }) => {
  const one = await client(server.port)
  await one.shake()
  one.socket.pause()
  const asking = writeMessage(3, 20, 0, encodeAmf('createStream', 1, null), 128)
  const many = Buffer.concat(Array.from({ length: 5000 }, () => asking))
  for (let i = 0; i < 200 && closed.length === 0; i++) {
    one.socket.write(many)
    await sleep(5)
  }
  assert.match(closed.join(), /does not read/)
  one.socket.destroy()
})

test('messages that are begun and never ended, in chunks of one byte, take no memory', () => {
  const reader = new ChunkReader(16_384)
  reader.setChunkSize(1)
  const before = process.memoryUsage()
  assert.throws(() => {
    for (let id = 3; id < 35; id++) {
      const header = Buffer.from([id, 0, 0, 0, 0, 0x40, 0, 9, 1, 0, 0, 0, 0])
      reader.push(header, () => undefined)
      const chunk = Buffer.from([0xc0 | id, 0])
      const chunks = Buffer.concat(Array.from({ length: 16_000 }, () => chunk))
      reader.push(chunks, () => undefined)
    }
  }, /too many messages begun/)
  const after = process.memoryUsage()
  assert.ok(after.rss - before.rss < 20 << 20, `${(after.rss - before.rss) >> 20} MB`)
})

test('a message that is given up, by an abort or a new header, leaves nothing behind', () => {
  const reader = new ChunkReader(16_384)
  const seen: string[] = []
  const hear = (message: RtmpMessage) => void seen.push(message.payload.toString())
  const begun = writeMessage(4, 9, 1, Buffer.alloc(300, 0x61), 128).subarray(0, 12 + 128)
  reader.push(begun, hear)
  reader.abort(4)
  reader.push(writeMessage(4, 9, 1, Buffer.from('one'), 128), hear)
  reader.push(begun, hear)
  reader.push(writeMessage(4, 9, 1, Buffer.from('two'), 128), hear)
  assert.equal(seen, ['one', 'two'])
})

test('timestamps above 24 bits and deltas come out in ms', () => {
  const reader = new ChunkReader(1 << 20)
  const seen: number[] = []
  const hear = (message: RtmpMessage) => void seen.push(message.timestamp)
  const late = Buffer.from('04ffffff000003090100000001000000aabbcc', 'hex')
  reader.push(late, hear)
  reader.push(Buffer.from('44000021000003 09aabbcc'.replace(' ', ''), 'hex'), hear)
  reader.push(Buffer.from('84000021aabbcc', 'hex'), hear)
  reader.push(Buffer.from('c4aabbcc', 'hex'), hear)
  assert.equal(
    seen.map(time => time - 0x1000000),
    [0, 33, 66, 99],
  )
})

test('strangers from one address cannot take all places', async ({ server }) => {
  const publisher = await client(server.port)
  await publisher.shake()
  publisher.publish('good')
  await publisher.hears('NetStream.Publish.Start')
  const strangers = await Promise.all(Array.from({ length: 50 }, () => client(server.port)))
  const onTop = await client(server.port)
  await onTop.gone()
  assert.not(publisher.socket.destroyed)
  for (const one of [publisher, ...strangers]) one.socket.destroy()
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
