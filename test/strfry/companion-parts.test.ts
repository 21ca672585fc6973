/** The companion's promises one by one, each with a small plugin that writes down what it was told. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from 'nostr-tools'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket, { WebSocketServer } from 'ws'
import { z } from 'zod'
import liveChat from '../../plugins/live-chat/index.ts'
import { decisionOf, definePlugin, type Plugin, reject } from '../../plugins/plugin.ts'
import { type RunningCompanion, startCompanion } from '../../relay/companion/companion.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { openSqliteReader } from '../../relay/store/sqlite/reader.ts'
import { connect, person, startRelay, type TestClient, type TestRelay } from '../harness.ts'
import { sourceLauncher, strfryPlugin } from './harness.ts'

const now = () => Math.floor(Date.now() / 1000)

async function withRelay(
  story: (
    relay: TestRelay,
    companion: (plugins: Plugin[], url?: string, log?: string[]) => Promise<RunningCompanion>,
    dir: string,
  ) => Promise<void>,
  set: string[] = [],
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-parts-'))
  const relay = await startRelay({ set: ['plugins=[]', ...set] })
  const running: RunningCompanion[] = []
  const start = async (plugins: Plugin[], url = relay.url, log: string[] = []) => {
    const write = (fields: object, text: string) =>
      void log.push(`${JSON.stringify(fields)} ${text}`)
    const companion = await startCompanion({
      loaded: loadConfig({
        set: [`db=${dir}`, 'companion.port=0', `relay.auth.serviceUrl=${relay.url}`],
        env: {},
        file: '/dev/null',
      }),
      relayUrl: url,
      log: { debug() {}, info: write, warn: write, error: write },
      env: {},
      plugins,
    })
    running.push(companion)
    return companion
  }
  try {
    await story(relay, start, dir)
  } finally {
    for (const companion of running) await companion.close().catch(() => undefined)
    await relay.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** Publishes an echo for each note of kind 1, and counts how often it was told of one. */
const echo = (told: string[]) =>
  definePlugin({
    name: 'echo',
    options: z.object({}),
    setup: host => ({
      onStored: {
        1: async event => {
          told.push(event.id)
          const tags = [['e', event.id]]
          await host.publish({ kind: 1111, created_at: now(), tags, content: event.content })
        },
      },
    }),
  })

let asked = 0
/** What the relay has, asked anew each time. */
async function stored(client: TestClient, filter: object): Promise<Event[]> {
  asked += 1
  const events = await client.req(`${asked}`, filter)
  client.send(['CLOSE', `${asked}`])
  return events
}

async function until(holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const late = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > late) throw new Error(`it did not come true within ${ms} ms`)
    await sleep(50)
  }
}

test('a backlog of several pages is reacted to once, over a restart with an overlap too', async () => {
  await withRelay(
    async (relay, start) => {
      const client = await connect(relay.url)
      const { sign } = person()
      const note = (i: number, age: number) =>
        sign({ kind: 1, content: `${i}`, created_at: now() - age })
      const publish = (notes: ReturnType<typeof note>[]) =>
        Promise.all(notes.map(one => client.publish(one)))
      // Forty of one second each: pages end in the middle of seconds.
      await publish(Array.from({ length: 1200 }, (_, i) => note(i, 100 + Math.floor(i / 40))))
      const told: string[] = []
      const first = await start([echo(told)])
      await until(() => told.length >= 1200)
      await first.close()
      await publish(Array.from({ length: 10 }, (_, i) => note(5000 + i, 50)))
      await start([echo(told)])
      await until(() => told.length >= 1210)
      await publish([note(9000, 0)])
      await until(async () => (await stored(client, { kinds: [1111], limit: 1 })).length > 0)
      await until(() => told.length >= 1211)
      await sleep(1000)
      assert.is(new Set(told).size, 1211)
      assert.is(told.length, 1211)
      client.close()
    },
    ['relay.maxFilterLimit=500'],
  )
})

test('a relay that asks for AUTH only when it must is authenticated to', async () => {
  await withRelay(async (relay, start) => {
    const lazy = await lazyRelay(relay.url)
    const told: string[] = []
    const log: string[] = []
    const plugin = definePlugin({
      name: 'opens',
      options: z.object({}),
      setup: host => ({
        handles: {
          5610: async event => {
            told.push(event.id)
            return host.store.transaction(async tx => {
              const tags = [['p', event.pubkey], ['-']]
              await tx.putEvent(host.sign({ kind: 5650, created_at: now(), tags, content: '' }))
              return decisionOf(await tx.putEvent(event))
            })
          },
        },
      }),
    })
    const { self } = await start([plugin], lazy.url, log)
    const viewer = person()
    const client = await connect(relay.url)
    const open = viewer.sign({ kind: 5610, tags: [['p', self]] })
    await client.publish(open)
    await client.auth(viewer)
    await until(async () => {
      const grants = await stored(client, { kinds: [5650], '#p': [viewer.pubkey] })
      return grants.length === 1
    })
    assert.equal(told, [open.id])
    assert.not(log.some(line => line.includes('the relay does not serve the reactions')))
    client.close()
    await lazy.close()
  })
})

test('what the relay refuses for good is kept and told; what it cannot take now is sent again', async () => {
  await withRelay(async (relay, start, dir) => {
    const answers = new Map([
      ['later', ['error: not now', '']],
      ['never', ['blocked: no']],
    ])
    const picky = await lazyRelay(relay.url, event => answers.get(event.content)?.shift() ?? '')
    const told: string[] = []
    const log: string[] = []
    const companion = await start([echo(told)], picky.url, log)
    const client = await connect(relay.url)
    const { sign } = person()
    for (const content of ['never', 'later', 'fine'])
      await client.publish(sign({ kind: 1, content }))
    const echoes = () => stored(client, { kinds: [1111] })
    await until(async () => (await echoes()).length === 2)
    assert.equal((await echoes()).map(event => event.content).sort(), ['fine', 'later'])
    assert.ok(log.some(line => line.includes('blocked: no')))
    const store = openSqliteReader({ dir, clock: { now: Date.now } })
    await until(async () => (await store.list('companion-outbox')).length === 0)
    await companion.close()
    const refused = await store.list('companion-refused')
    assert.is(refused.length, 1)
    assert.match(refused[0]?.value ?? '', /blocked: no/)
    store.close()
    client.close()
    await picky.close()
  })
})

test('what a plugin takes out goes at the relay too; an event that breaks its handler stops nobody', async () => {
  await withRelay(async (relay, start) => {
    let broken = 2
    const plugin = definePlugin({
      name: 'latest',
      options: z.object({}),
      setup: host => ({
        handles: {
          1: async event => {
            if (event.content === 'breaks' && broken-- > 0) throw new Error('a broken world')
            if (event.content === 'no') return reject('blocked: no')
            return host.store.transaction(async tx => {
              const last = await tx.get('latest', 'id')
              if (last) await tx.removeEvent(last)
              const { content } = event
              const mine = host.sign({ kind: 1111, created_at: now(), tags: [], content })
              await tx.putEvent(mine)
              await tx.put('latest', 'id', mine.id)
              return decisionOf(await tx.putEvent(event))
            })
          },
        },
        refused: {
          1: ({ id }, msg) => ({ kind: 1112, created_at: now(), tags: [['e', id]], content: msg }),
        },
      }),
    })
    await start([plugin])
    const client = await connect(relay.url)
    for (const content of ['breaks', 'one', 'no', 'two'])
      await client.publish(person().sign({ kind: 1, content }))
    await until(async () => (await stored(client, { kinds: [1112] })).length === 1)
    const [refusal] = await stored(client, { kinds: [1112] })
    assert.is(refusal?.content, 'blocked: no')
    // Three were said, one is left.
    await until(async () => {
      const told = await stored(client, { kinds: [5] })
      const gone = told.flatMap(event => event.tags.filter(([name]) => name === 'e'))
      return gone.length === 2
    })
    assert.is((await stored(client, { kinds: [1111] })).length, 1)
    client.close()
  })
})

test("the companion brings the mutes that live-chat's policy looks up under strfry", async () => {
  await withRelay(async (relay, start, dir) => {
    const [host, muted] = [person(), person()]
    const client = await connect(relay.url)
    const lists = { kind: 10000, tags: [['p', muted.pubkey]], created_at: now() - 86_400 * 30 }
    await client.publish(host.sign(lists))
    await start([liveChat])
    const command = `STRFRY_CONFIG=/dev/null ${sourceLauncher(dir, 'live-chat')} --set db=${dir}`
    const plugin = strfryPlugin({ command })
    const tags = [['a', `30311:${host.pubkey}:show`]]
    await until(async () => {
      const said = await plugin.ask(muted.sign({ kind: 1311, tags, content: `${Math.random()}` }))
      if (said.action === 'reject' && !said.msg.startsWith('rate-limited:'))
        assert.is(said.msg, 'blocked: the host of this stream has muted you')
      return said.msg.startsWith('blocked:')
    })
    const other = person().sign({ kind: 1311, tags, content: 'hello' })
    assert.is((await plugin.ask(other)).action, 'accept')
    await plugin.close()
    client.close()
  })
})

test('two companions never work in one folder', async () => {
  await withRelay(async (_relay, start) => {
    const first = await start([])
    const second = await start([]).then(() => '', String)
    assert.match(second, /another relay or companion works in/)
    await first.close()
    await (await start([])).close()
  })
})

/**
 * In front of a relay, what strfry does: the challenge comes only with a refusal, and CLOSED says "ERROR: " first. `refuse` answers events in the
 * relay's place with its sentence, where it gives one.
 */
async function lazyRelay(url: string, refuse: (event: { content: string }) => string = () => '') {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', client => {
    const upstream = new WebSocket(url)
    const early: string[] = []
    let first = true
    upstream.on('open', () => {
      for (const text of early) upstream.send(text)
    })
    upstream.on('message', data => {
      const text = String(data)
      if (first && text.startsWith('["AUTH"')) first = false
      else client.send(text.replace(/^(\["CLOSED","[^"]*",")/, '$1ERROR: '))
    })
    client.on('message', data => {
      const text = String(data)
      const [verb, event] = JSON.parse(text)
      const msg = verb === 'EVENT' ? refuse(event) : ''
      if (msg) client.send(JSON.stringify(['OK', event.id, false, msg]))
      else if (upstream.readyState === upstream.OPEN) upstream.send(text)
      else early.push(text)
    })
    client.on('close', () => upstream.terminate())
    upstream.on('close', () => client.terminate())
  })
  if (!server.address()) await new Promise(listening => server.once('listening', listening))
  const address = server.address()
  return {
    url: `ws://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    async close() {
      for (const client of server.clients) client.terminate()
      await new Promise(closed => server.close(closed))
    },
  }
}

test.run()
