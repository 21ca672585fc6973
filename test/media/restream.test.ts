import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readTarget } from '../../plugins/live-stream/local/restream/target-url.ts'
import { ChunkReader, writeMessage } from '../../plugins/live-stream/local/rtmp/chunks.ts'
import { decodeVideo } from './decode.ts'
import { type Backend, media, start } from './local.ts'
import type { Publisher } from './publisher.ts'
import { certificateFile, rtmpsDoor } from './rtmps.ts'

const run = promisify(execFile)
const pushFile = fileURLToPath(new URL('./rtmps-push.ts', import.meta.url))

type Started = Awaited<ReturnType<typeof start>>
const test = suite<{ publishers: Publisher[]; backends: Backend[] }>('sending on')
test.before.each(context => {
  context.publishers = []
  context.backends = []
})
test.after.each(async ({ publishers, backends }) => {
  for (const publisher of publishers) await publisher.kill()
  for (const backend of backends) await backend.close()
})

const target = (url: string, id = '0123456789abcdef') => ({ id, name: 'Elsewhere', url })
/** What the host hears of its targets, in order. */
const said = ({ events }: Started) =>
  events.flatMap(event =>
    event.type === 'restream' ? [`${event.state} ${event.problem ?? ''}`.trim()] : [],
  )
async function hears(source: Started, what: RegExp): Promise<void> {
  for (let i = 0; i < 400 && !said(source).some(one => what.test(one)); i++) await sleep(50)
  assert.ok(
    said(source).some(one => what.test(one)),
    `${what} in ${said(source)}`,
  )
}

test('a stream goes on to another server while it comes in; that one may go away and come back', async context => {
  const source = await start({ transcode: false }, 0, { innerTargets: true })
  const first = await start({ transcode: false })
  context.backends.push(source.backend, first.backend)
  const url = `rtmp://127.0.0.1:${first.backend.rtmpPort}/live/key-a`
  await source.backend.restream?.('a', [target(url)])
  assert.equal(said(source), [], 'nothing to send yet')
  context.publishers.push(source.push('key-a'))
  await first.until('live')
  assert.equal(said(source), ['connected'])

  // A second target on the way begins with the last keyframe, and does not disturb the first.
  const second = await start({ transcode: false })
  context.backends.push(second.backend)
  const also = `rtmp://127.0.0.1:${second.backend.rtmpPort}/live/key-a`
  await source.backend.restream?.('a', [target(url), target(also, 'fedcba9876543210')])
  await second.until('live')
  const { bytes } = await media(second.backend, 'source')
  assert.ok((await decodeVideo(bytes)).frames > 20)
  assert.not(first.events.some(event => event.type === 'idle'))

  // One is taken off the list.
  await source.backend.restream?.('a', [target(url)])
  await second.until('idle')

  await first.backend.close()
  await hears(
    source,
    /^failed the server (closed the connection|refuses connections), it is tried again$/,
  )
  assert.not(
    source.events.some(event => event.type === 'idle'),
    'its own viewers notice nothing',
  )
  const back = await start({ transcode: false, rtmpPort: first.backend.rtmpPort })
  context.backends.push(back.backend)
  await back.until('live')
  assert.is(said(source).at(-1), 'connected')
  await source.backend.end('a')
  await back.until('idle')
  assert.is(said(source).at(-1), 'disconnected')
  assert.not.match(source.logged.join() + JSON.stringify(source.events), /key-a/)
})

test('a target that refuses the key is named so, without the key', async context => {
  const source = await start({ transcode: false }, 0, { innerTargets: true })
  const other = await start({ transcode: false })
  context.backends.push(source.backend, other.backend)
  context.publishers.push(source.push('key-a'))
  await source.until('live')
  const url = `rtmp://127.0.0.1:${other.backend.rtmpPort}/live/key-z`
  await source.backend.restream?.('a', [target(url)])
  await hears(
    source,
    /^failed the server refuses the stream \(NetStream.Publish.BadName .*\), it is/,
  )
  await source.backend.restream?.('a', [])
  assert.not.match(source.logged.join() + JSON.stringify(source.events), /key-z/)
})

test('rtmps: a certificate that holds is sent to, one that does not is not, nor a port without TLS', async context => {
  const other = await start({ transcode: false })
  const source = await start({ transcode: false }, 0, { innerTargets: true })
  context.backends.push(source.backend, other.backend)
  const door = await rtmpsDoor(other.backend.rtmpPort)
  const url = (key: string) => `rtmps://localhost:${door.port}/live/${key}`
  const pushed = (key: string) =>
    run(process.execPath, ['--import', 'tsx', pushFile, url(key)], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile },
    })
  const [taken, refused] = await Promise.all([pushed('key-a'), pushed('key-z')])
  assert.is(taken.stdout, 'taken')
  assert.match(refused.stdout, /^refuses the stream/)

  context.publishers.push(source.push('key-a'))
  await source.until('live')
  await source.backend.restream?.('a', [target(url('key-b'))])
  await hears(source, /^failed the server shows a certificate that does not hold \(DEPTH_ZERO/)
  const plain = `rtmps://127.0.0.1:${other.backend.rtmpPort}/live/key-b`
  await source.backend.restream?.('a', [target(plain, 'fedcba9876543210')])
  await hears(source, /^failed the server (speaks no TLS at this port|closed the connection)/)
  await source.backend.restream?.('a', [])
  assert.not.match(source.logged.join() + JSON.stringify(source.events), /key-b/)
  await door.close()
})

test('nothing is sent into this network unless the operator allows it', async context => {
  let connections = 0
  const door = createServer(socket => {
    connections += 1
    socket.destroy()
  })
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  const { port } = door.address() as { port: number }
  const source = await start({ transcode: false })
  context.backends.push(source.backend)
  context.publishers.push(source.push('key-a'))
  await source.until('live')
  const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '127.1', '0x7f.1']
  await source.backend.restream?.(
    'a',
    hosts.map((host, i) => target(`rtmp://${host}:${port}/live/key`, `${i}`)),
  )
  const failed = () =>
    source.events.filter(one => one.type === 'restream' && one.state === 'failed')
  for (let i = 0; i < 200 && failed().length < hosts.length; i++) await sleep(50)
  assert.is(failed().length, hosts.length)
  for (const one of failed())
    assert.match(
      (one.type === 'restream' && one.problem) || '',
      /is inside this network|is not found/,
    )
  assert.is(connections, 0)
  await new Promise(resolve => door.close(resolve))
})

test('a server that answers with anything is left, and our own media goes on', async context => {
  const babble = createServer(socket => {
    socket.on('error', () => undefined).resume()
    socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(3072), Buffer.alloc(9000, 0xc3)]))
  })
  await new Promise<void>(resolve => babble.listen(0, '127.0.0.1', resolve))
  const { port } = babble.address() as { port: number }
  const source = await start({ transcode: false }, 0, { innerTargets: true })
  context.backends.push(source.backend)
  context.publishers.push(source.push('key-a'))
  await source.until('live')
  await source.backend.restream?.('a', [target(`rtmp://127.0.0.1:${port}/live/key`)])
  await hears(source, /^failed the server answers with what is no RTMP/)
  assert.not(source.events.some(event => event.type === 'idle'))
  await source.backend.restream?.('a', [])
  await new Promise(resolve => babble.close(resolve))
})

test('addresses are read as encoders write them; what is none is refused in a sentence without the key', () => {
  assert.equal(readTarget('rtmps://live.example.com/app/x/abc?k=v', false), {
    secure: true,
    host: 'live.example.com',
    port: 443,
    app: 'app/x',
    tcUrl: 'rtmps://live.example.com/app/x',
    key: 'abc?k=v',
  })
  assert.is(readTarget('rtmp://a.example:1936/live/k', false).tcUrl, 'rtmp://a.example:1936/live')
  for (const url of ['http://a.example/live/secret', 'rtmp://a.example/secret', 'rtmp:secret', 'x'])
    assert.throws(
      () => readTarget(url, false),
      (error: Error) => !error.message.includes('secret') && error.message.length > 10,
      url,
    )
  assert.throws(() => readTarget('rtmp://10.0.0.1/live/secret', false), /inside this network/)
  assert.ok(readTarget('rtmp://10.0.0.1/live/secret', true))
})

test('a timestamp beyond four and a half hours is written as readers read it', () => {
  for (const timestamp of [0, 0xfffffe, 0xffffff, 0x1234567]) {
    const reader = new ChunkReader(1 << 20)
    reader.setChunkSize(100)
    const payload = Buffer.alloc(1000, 7)
    const read: number[] = []
    reader.push(writeMessage(6, 9, 1, payload, 100, timestamp), message => {
      read.push(message.timestamp)
      assert.ok(message.payload.equals(payload))
    })
    assert.equal(read, [timestamp])
  }
})

test.run()
