import { setTimeout as sleep } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { NostrEvent } from '../../events/index.ts'
import { definePlugin } from '../../plugins/plugin.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { loadCurve } from '../../relay/curve.ts'
import { pluginHost } from '../../relay/host.ts'
import { pluginSet } from '../../relay/plugin-set.ts'
import { pluginTimes } from '../../relay/plugin-times.ts'
import { createSigner } from '../../relay/signer.ts'
import { slowCalls } from '../../relay/slow-calls.ts'
import { person } from '../harness.ts'
import {
  closeAll,
  keptLog,
  open,
  refusing,
  relayWith,
  says,
  TWOFOLD,
  until,
  write,
} from './fixtures.ts'

type Relay = Awaited<ReturnType<Awaited<ReturnType<typeof relayWith>>['start']>>

const test = suite('reload')
test.after.each(closeAll)
const version = (n: number) => `export const version = ${n}\n`

const RATE = 1000
const TICK_MS = 10

/** Notes at a thousand a second over two connections until `over`; resolves with the OK of each. */
async function load(relay: Relay, over: () => boolean): Promise<[boolean, string][]> {
  const { sign } = createSigner(Buffer.alloc(32, 7), loadCurve())
  const created_at = Math.floor(Date.now() / 1000)
  const clients = await Promise.all([open(relay.url), open(relay.url)])
  const answers = new Map<string, [boolean, string]>()
  for (const { ws } of clients)
    ws.on('message', data => {
      const [type, id, ok, msg] = JSON.parse(String(data))
      if (type === 'OK') answers.set(id, [ok, msg])
    })
  let sent = 0
  while (!over()) {
    // A machine that cannot keep up gets less, not a backlog.
    for (let now = 0; now < TICK_MS && sent - answers.size < RATE; now += 1000 / RATE, sent++) {
      const note = sign({ kind: 1, created_at, tags: [], content: `note ${sent}` })
      clients[sent % clients.length]?.send(['EVENT', note])
    }
    await sleep(TICK_MS)
  }
  await until(`an OK for each of ${sent}`, () => answers.size === sent)
  return [...answers.values()]
}

test('under a thousand events a second each has its OK, and none is judged by half a plugin', async () => {
  const made = await relayWith(dir => [`plugins=["${dir}/twofold.js"]`])
  write(made.file('version.js'), version(1))
  write(made.file('twofold.js'), TWOFOLD)
  const relay = await made.start()
  let reloads = 0
  const answers = load(relay, () => reloads >= 8)
  for (; reloads < 8; reloads++) {
    await sleep(150)
    write(made.file('version.js'), version(reloads + 2))
    assert.ok(await relay.reload())
  }
  const met = new Set<string>()
  for (const [ok, msg] of await answers) {
    assert.ok(ok, msg)
    met.add(msg)
  }
  for (const msg of met) assert.match(msg, /^info: a(\d+) b\1 h\1$/)
  assert.ok(met.size >= 5, `several versions judged, not ${met.size}`)
  const client = await open(relay.url)
  client.send(['COUNT', 'all', { kinds: [1] }])
  const counted = (await client.next(m => m[0] === 'COUNT'))[2]
  assert.equal(counted, { count: (await answers).length })
})

test('a file or its helper that changes is loaded by itself; a broken one leaves the old at work', async () => {
  const made = await relayWith(dir => [`plugins=["${dir}/twofold.js"]`])
  write(made.file('version.js'), version(1))
  write(made.file('twofold.js'), TWOFOLD)
  const relay = await made.start()
  const [client, who] = [await open(relay.url), person()]
  let said = 0
  const answer = async () => (await client.publish(says(who, `${said++}`)))[1]
  assert.is(await answer(), 'info: a1 b1 h1')
  write(made.file('version.js'), version(2))
  await until('the helper is read', async () => (await answer()) === 'info: a2 b2 h2')

  const refused = 'nothing was reloaded, all goes on as it was'
  const broken: [string, string, RegExp][] = [
    ['version.js', 'export const version = 3\n\nexport const x = = 1\n', /version\.js, line 3/],
    ['version.js', 'export const versoin = 3\n', /twofold\.js, line 3/],
    [
      'version.js',
      'export const version = 3\nthrow new Error("not today")\n',
      /not today .*version\.js, line 2/,
    ],
  ]
  for (const [at, [name, text, cause]] of broken.entries()) {
    write(made.file(name), text)
    await until('the complaint', () => relay.saying(refused).length > at)
    assert.match(String(relay.saying(refused)[at]?.cause), cause)
    assert.is(await answer(), 'info: a2 b2 h2')
  }
  write(made.file('version.js'), version(4))
  await until('it is whole again', async () => (await answer()) === 'info: a4 b4 h4')
  assert.is(relay.saying(refused).length, broken.length, 'each is said once')
  const info = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  assert.is(((await info.json()) as { twofold: number }).twofold, 4)
})

test('what cannot be set up, or clashes, leaves everything as it was, and is closed again', async () => {
  const made = await relayWith(dir => [`plugins=["${dir}/twofold.js"]`])
  write(made.file('version.js'), version(1))
  write(made.file('twofold.js'), TWOFOLD)
  const relay = await made.start()
  const [client, who] = [await open(relay.url), person()]
  write(
    made.file('opens.js'),
    `export default {
       name: 'opens',
       options: { safeParse: data => ({ success: true, data }) },
       setup: () => ({ async close() { globalThis.closedAgain = true } }),
     }`,
  )
  write(
    made.file('throws.js'),
    refusing('throws', 'never').replace('setup: () => ({', 'setup: () => ({ ...boom(),'),
  )
  write(made.file('second.js'), TWOFOLD.replace("name: 'twofold'", "name: 'second'"))
  const { dir } = made
  const attempts: [string, RegExp][] = [
    [
      `plugins=["${dir}/opens.js","${dir}/throws.js"]`,
      /^plugin throws: boom is not defined .*throws\.js, line 5/,
    ],
    [
      `plugins=["${dir}/twofold.js","${dir}/second.js"]`,
      /^plugin second: kind 1 is handled by another/,
    ],
    [`plugins=["${dir}/opens.js","${dir}/opens.js"]`, /^plugin opens is loaded twice/],
    ['plugins=["hellthread"]', /hellthread\.maxMentions: .*--set/],
    [`plugins=["${dir}/nowhere.js"]`, /nowhere\.js/],
    ['relay.port=many', /^relay\.port: /],
  ]
  for (const [set, cause] of attempts) {
    relay.lines.length = 0
    assert.not(await relay.reload(set, 'hellthread.maxMentions=-1'))
    const [line] = relay.lines.filter(({ level }) => level === 'error')
    assert.match(String(line?.cause), cause)
    assert.is((await client.publish(says(who, set)))[1], 'info: a1 b1 h1')
  }
  assert.ok((globalThis as { closedAgain?: boolean }).closedAgain)
})

test('a start that fails takes the reload back', async () => {
  const made = await relayWith(dir => [`plugins=["${dir}/twofold.js"]`])
  write(made.file('version.js'), version(1))
  write(made.file('twofold.js'), TWOFOLD)
  const relay = await made.start()
  const [client, who] = [await open(relay.url), person()]
  write(
    made.file('late.js'),
    refusing('late', 'late').replace(
      'setup: () => ({',
      "setup: () => ({ start: async () => { throw new Error('too late') },",
    ),
  )
  assert.not(await relay.reload(`plugins=["${made.dir}/late.js"]`))
  assert.is((await client.publish(says(who)))[1], 'info: a1 b1 h1')
})

test('an old plugin is closed when its job has ended; its sockets may come again (1012)', async () => {
  const made = await relayWith(dir => [`plugins=["${dir}/slow.js"]`])
  const text = (n: number) => `
    export default {
      name: 'slow',
      options: { safeParse: data => ({ success: true, data }) },
      setup: () => ({
        onStored: {
          1: async () => {
            globalThis.told.push('${n} begins')
            await globalThis.mayEnd
            globalThis.told.push('${n} ends')
          },
        },
        sockets: { '/echo': socket => socket.onMessage(() => socket.send('${n}')) },
        async close() {
          globalThis.told.push('${n} closed')
        },
      }),
    }`
  const told: string[] = []
  let end = () => {}
  const mayEnd = new Promise<void>(resolve => {
    end = resolve
  })
  Object.assign(globalThis, { told, mayEnd })
  write(made.file('slow.js'), text(1))
  const relay = await made.start()
  const client = await open(relay.url)
  const socket = await open(`${relay.url}/echo`)
  const answers: string[] = []
  let code = 0
  socket.ws.removeAllListeners('message')
  socket.ws.on('message', data => answers.push(String(data)))
  socket.ws.once('close', closed => {
    code = closed
  })
  socket.send('x')
  await until('the old one answers', () => answers[0] === '1')
  await client.publish(says(person()))
  await until('the job begins', () => told.length === 1)
  write(made.file('slow.js'), text(2))
  assert.ok(await relay.reload())
  await until('the socket is closed', () => code === 1012)
  await client.publish(says(person()))
  await until('the new one has a job of its own', () => told.length === 2)
  assert.equal(told, ['1 begins', '2 begins'])
  end()
  await until('the old one is closed', () => told.includes('1 closed'))
  assert.ok(told.indexOf('1 ends') < told.indexOf('1 closed'))
  assert.not(told.includes('2 closed'))
})

test('work that never ends keeps its old plugin open so long and no longer, and the log names it', async () => {
  const { lines, log } = keptLog()
  const closed: string[] = []
  const named = (name: string) =>
    definePlugin({
      name,
      options: z.object({ at: z.number().optional() }),
      setup: (_host, { at }) => ({ close: async () => void closed.push(`${name} ${at}`) }),
    })
  const given = [named('stuck'), named('later')]
  const metrics = new Registry()
  const slow = slowCalls({ metrics, log, clock: { now: Date.now }, slowMs: () => 0 })
  const times = pluginTimes({ metrics, slow })
  const setUp = pluginHost({ store: { forPlugin: () => ({}) }, signer: {} } as never)
  const plugins = pluginSet({ setUp, log, times, given, leaveMs: 50, more: () => ({}) })
  const set = (...set: string[]) => loadConfig({ set, env: {}, file: '/dev/null' })
  await plugins.load(set('stuck.at=1', 'later.at=1'))
  void plugins.holding(() => new Promise(() => undefined))
  await plugins.reload(() => set('stuck.at=2', 'later.at=1'))
  await plugins.reload(() => set('stuck.at=2', 'later.at=2'))
  await until('both are closed', () => closed.length === 2)
  assert.equal(closed, ['stuck 1', 'later 1'])
  const [line, ...more] = lines.filter(({ level }) => level === 'warn')
  assert.equal([line?.plugins, more], [['stuck'], []])
  await plugins.close()
})

test('limits and read rules change for clients that are connected, and for their open subscriptions', async () => {
  const made = await relayWith(() => ['plugins=[]'])
  const relay = await made.start()
  const [reader, writer, who] = [await open(relay.url), await open(relay.url), person()]
  for (let i = 0; i < 3; i++) await writer.publish(says(who, `${i}`))
  assert.is((await reader.req('open', { kinds: [1, 7] })).length, 3)
  assert.ok(
    await relay.reload(
      'relay.maxFilterLimit=2',
      'relay.maxSubsPerConnection=2',
      'relay.maxReqFilterSize=1',
      'relay.auth.restrictedReadKinds="7"',
      'events.maxNumTags=1',
    ),
  )
  assert.is((await reader.req('limited', { kinds: [1] })).length, 2)
  assert.match(
    await reader.req('third', {}).catch(e => e.message),
    /^error: at most 2 subscriptions/,
  )
  assert.match(
    await reader.req('open', {}, {}).catch(e => e.message),
    /^invalid: at most 1 filters/,
  )
  const tags = [
    ['t', 'a'],
    ['t', 'b'],
  ]
  assert.match(
    (await writer.publish(who.sign({ kind: 1, tags })))[1],
    /^invalid: an event has at most 1 tags/,
  )
  assert.equal(await writer.publish(says(who, 'hidden from now on', 7)), [true, ''])
  assert.equal(await writer.publish(says(who, 'a note')), [true, ''])
  const heard = await reader.next(m => m[0] === 'EVENT' && m[1] === 'open')
  assert.is((heard[2] as NostrEvent).content, 'a note')
  const info = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  const { limitation } = (await info.json()) as { limitation: { max_limit: number } }
  assert.is(limitation.max_limit, 2)
})

test('what did not change goes on as it is; what cannot be doubled says that it needs a restart', async () => {
  const made = await relayWith(dir => [
    `plugins=["duplicate-content","live-stream","${dir}/refuses.js"]`,
    'duplicateContent.minLength=3',
  ])
  write(made.file('refuses.js'), refusing('refuses', 'first words', 7))
  const relay = await made.start()
  const [client, who] = [await open(relay.url), person()]
  const again = who.sign({ kind: 1, content: 'the same words', tags: [['t', 'again']] })
  assert.is((await client.publish(says(who, 'the same words')))[0], true)
  write(made.file('refuses.js'), refusing('refuses', 'second words', 7))
  assert.ok(await relay.reload())
  assert.equal(relay.saying('reloaded').at(-1)?.loaded, ['refuses'])
  assert.match((await client.publish(says(who, 'x', 7)))[1], /second words/)
  assert.match((await client.publish(again))[1], /^blocked: the same text/)
  const needsRestart =
    'this plugin cannot be loaded anew beside itself: what changed about it needs a restart'
  assert.is(relay.saying(needsRestart).length, 0)
  assert.ok(await relay.reload('liveStream.maxStreamsPerHost=3', 'relay.port=1'))
  assert.is(relay.saying(needsRestart)[0]?.plugin, 'live-stream')
  assert.equal(relay.saying('what changed here needs a restart')[0]?.keys, ['relay.port'])
})

test.run()
