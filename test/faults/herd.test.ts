/** Many clients at once, one that does not read, and a relay that is told to go. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { type Client, connect, pause, person } from '../conformance/client.ts'
import { spawnRelay } from '../harness.ts'

const HERD = Number(process.env.SLUICE_HERD ?? 1000)
const EOSE_MS = 15_000
const DRAIN_MS = 10_000

const test = suite<{ dir: string }>('herd')
test.before.each(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-herd-'))
})
test.after.each(({ dir }) => rm(dir, { recursive: true, force: true }))

/** Connects, asks for the newest notes and waits for EOSE. */
async function arrive(url: string): Promise<WebSocket> {
  const ws = new WebSocket(url)
  await once(ws, 'open')
  ws.send(JSON.stringify(['REQ', 'feed', { kinds: [1], limit: 20 }]))
  await new Promise<void>((resolve, reject) => {
    ws.on('close', () => reject(new Error('closed before EOSE')))
    ws.on('message', data => {
      if (String(data).startsWith('["EOSE"')) resolve()
    })
  })
  ws.removeAllListeners('close')
  return ws
}

test(`${HERD} clients reconnect at once and all get EOSE within 15 s`, async ({ dir }) => {
  const relay = await spawnRelay(['--set', `db=${dir}`])
  try {
    const writer = await connect(relay.url)
    const author = person()
    for (let i = 0; i < 100; i++) await writer.store(author.sign({ kind: 1, content: `${i}` }))
    const first = await Promise.all(Array.from({ length: HERD }, () => arrive(relay.url)))
    for (const ws of first) ws.terminate()
    const began = performance.now()
    const again = await Promise.all(Array.from({ length: HERD }, () => arrive(relay.url)))
    const took = performance.now() - began
    console.log(`  ${HERD} clients had EOSE after ${Math.round(took)} ms`)
    assert.ok(took < EOSE_MS, `${took} ms`)
    for (const ws of again) ws.terminate()
    writer.close()
  } finally {
    await relay.stop()
  }
})

/** Publishes `total` ephemeral events of 60 kB and gives how long each took to a reader, ms, in order. */
async function delays(writer: Client, reader: Client, total: number): Promise<number[]> {
  const author = person()
  const took: number[] = []
  for (let i = 0; i < total; i++) {
    const event = author.sign({ kind: 20_001, content: `${i} ${'x'.repeat(60_000)}` })
    const began = performance.now()
    writer.send('EVENT', event)
    await reader.next(m => m[0] === 'EVENT' && (m[2] as { id: string }).id === event.id, 'event')
    took.push(performance.now() - began)
  }
  return took.sort((a, b) => a - b)
}
const p99 = (sorted: number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? 0

test('a client that does not read is cut, and the others do not feel it', async ({ dir }) => {
  const pending = ['--set', 'relay.maxPendingOutboundBytes=1000000']
  const relay = await spawnRelay(['--set', `db=${dir}`, ...pending])
  try {
    const [slow, reader, writer] = [
      await connect(relay.url),
      await connect(relay.url),
      await connect(relay.url),
    ]
    await reader.query('s', { kinds: [20_001] })
    const before = p99(await delays(writer, reader, 200))
    await slow.query('s', { kinds: [20_001] })
    slow.ws.pause()
    const during = p99(await delays(writer, reader, 400))
    console.log(
      `  p99 ${before.toFixed(1)} ms alone, ${during.toFixed(1)} ms beside the slow reader`,
    )
    // A shared machine stutters: what counts is that nobody waits for the slow one.
    assert.ok(during < Math.max(before * 2, before + 50), `${before} ms -> ${during} ms`)
    slow.ws.resume()
    assert.is(await Promise.race([slow.closed, pause(5000)]), 1006)
    await reader.alive()
    for (const client of [reader, writer]) client.close()
  } finally {
    await relay.stop()
  }
})

test('SIGTERM under load: acknowledged is kept, everybody hears 1001, gone within 10 s', async ({
  dir,
}) => {
  const relay = await spawnRelay(['--set', `db=${dir}`])
  const writers = await Promise.all(Array.from({ length: 4 }, () => connect(relay.url)))
  const idle = await Promise.all(Array.from({ length: 20 }, () => connect(relay.url)))
  const codes = Promise.all([...writers, ...idle].map(client => client.closed))
  const acknowledged: string[] = []
  let stop = false
  const load = writers.map(async writer => {
    const author = person()
    for (let i = 0; !stop && writer.ws.readyState === writer.ws.OPEN; i++) {
      const event = author.sign({ kind: 1, content: `${i}` })
      const ok = writer.publish(event).then(
        answer => answer.accepted && acknowledged.push(event.id),
        () => undefined,
      )
      await Promise.race([ok, writer.closed])
    }
  })
  await pause(500)
  const began = performance.now()
  const exit = await relay.kill('SIGTERM')
  const took = performance.now() - began
  stop = true
  assert.is(exit, 0)
  assert.ok(took < DRAIN_MS, `${took} ms`)
  assert.equal([...new Set(await codes)], [1001])
  await Promise.all(load)

  const after = await spawnRelay(['--set', `db=${dir}`])
  try {
    const reader = await connect(after.url)
    assert.ok(acknowledged.length > 0)
    for (let at = 0; at < acknowledged.length; at += 200) {
      const ids = acknowledged.slice(at, at + 200)
      assert.is((await reader.ids({ ids })).length, ids.length)
    }
    reader.close()
  } finally {
    await after.stop()
  }
})

test.run()
