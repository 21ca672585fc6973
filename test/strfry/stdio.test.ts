/** Our plugins under strfry's stdin and stdout, by a harness that does what strfry does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Event } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { childPlugin } from '../../relay/child-plugin/index.ts'
import { connect, type Person, person, startRelay, type TestRelay } from '../harness.ts'
import { refusing, until, write } from '../reload/fixtures.ts'
import { freePorts, sourceLauncher, spawnStrfry, strfryPlugin, type Verdict } from './harness.ts'

const ownPlugin = fileURLToPath(new URL('fixtures/no-words.ts', import.meta.url))
const now = () => Math.floor(Date.now() / 1000)

interface Context {
  dir: string
  relay: TestRelay
  env: NodeJS.ProcessEnv
  host: Person
  muted: Person
}
const test = suite<Context>('plugins under strfry')

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-strfry-'))
  const db = join(context.dir, 'db')
  const chat = 'liveChat { ratePerSecond = 100000, burst = 100000 }'
  const conf = join(context.dir, 'strfry.conf')
  const plugins = `plugins = ["live-chat", "${ownPlugin}"]`
  await writeFile(
    conf,
    `db = "${db}"\n${plugins}\n${chat}\nnoWords { words = ["airdrop", "scam"] }\n`,
  )
  context.env = { STRFRY_CONFIG: conf }
  context.relay = await startRelay({
    dir: db,
    set: [
      `plugins=["live-chat", "${ownPlugin}"]`,
      'liveChat.ratePerSecond=100000',
      'liveChat.burst=100000',
      'noWords.words=["airdrop", "scam"]',
    ],
  })
  context.host = person()
  context.muted = person()
  const client = await connect(context.relay.url)
  const tags = [['p', context.muted.pubkey]]
  await client.publish(context.host.sign({ kind: 10000, tags }))
  client.close()
})
test.after(async ({ relay, dir }) => {
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

/** Two hundred events, of which each rule of the two plugins refuses some. */
function twoHundred({ host, muted }: Context): Event[] {
  const room = ['a', `30311:${host.pubkey}:show`]
  const anyone = person()
  const makers: ((i: number) => Event)[] = [
    i => anyone.sign({ kind: 1311, tags: [room], content: `hello ${i}` }),
    i => anyone.sign({ kind: 1311, content: `no room ${i}` }),
    i => anyone.sign({ kind: 1311, tags: [room], content: 'x'.repeat(490 + i) }),
    i => muted.sign({ kind: 1311, tags: [room], content: `muted ${i}` }),
    i => host.sign({ kind: 1311, tags: [room], content: `host ${i}` }),
    i => anyone.sign({ kind: 1311, tags: [room], content: ' '.repeat(i) }),
    i => anyone.sign({ kind: 1, content: `a note ${i}` }),
    i => anyone.sign({ kind: 1, content: `an airdrop ${i}` }),
    i => anyone.sign({ kind: 1, content: `scam ${i} \u2028 "quoted" \\ ${'é'.repeat(i)}` }),
    i => anyone.sign({ kind: 7, tags: [['e', '0'.repeat(64)]], content: `${i}` }),
  ]
  return Array.from({ length: 200 }, (_, i) => {
    const make = makers[i % makers.length]
    if (!make) throw new Error('no maker')
    return make(Math.floor(i / makers.length) + 1)
  })
}

test('one plugin file, unchanged: 200 events get the same verdicts in both relays', async context => {
  const events = twoHundred(context)
  const plugin = strfryPlugin({ command: sourceLauncher(context.dir), env: context.env })
  const under: Verdict[] = []
  for (const event of events) under.push(await plugin.ask(event))
  await plugin.close()
  const client = await connect(context.relay.url)
  const inside: Verdict[] = []
  for (const event of events) {
    const [ok, msg] = await client.publish(event)
    inside.push({ action: ok ? 'accept' : 'reject', msg })
  }
  client.close()
  assert.equal(under, inside)
  const refused = new Set(under.flatMap(({ action, msg }) => (action === 'reject' ? [msg] : [])))
  assert.ok(refused.size >= 6, `each rule was met: ${[...refused].join('; ')}`)
  assert.is(under.filter(({ action }) => action === 'accept').length, 90)
  assert.equal(plugin.log, [])
  assert.is(plugin.starts(), 1)
})

test('the same file as a child of our own relay: pipelined, with the same verdicts, and asked about reads', async context => {
  const events = twoHundred(context)
  const command = `STRFRY_CONFIG=${context.env.STRFRY_CONFIG} exec ${sourceLauncher(context.dir)}`
  const child = childPlugin({ command, name: 'child', settings: { read: true } })
  const relay = await startRelay({ plugins: [child] })
  const client = await connect(relay.url)
  for (const event of events) client.send(['EVENT', event])
  const answers = await Promise.all(
    events.map(({ id }) => client.next(([verb, of]) => verb === 'OK' && of === id, 60_000)),
  )
  assert.is(answers.filter(([, , accepted]) => accepted).length, 90)
  assert.is((await client.req('all', { kinds: [1, 7, 1311] })).length, 90)
  client.close()
  await relay.stop()
})

test('the same under a real strfry, where STRFRY_BIN names one', async context => {
  const bin = process.env.STRFRY_BIN
  if (!bin) return console.log('SKIP: STRFRY_BIN names no strfry')
  const dir = await mkdtemp(join(tmpdir(), 'sluice-real-'))
  // strfry hands its environment on, and there STRFRY_CONFIG is its own file: this is the plugins'.
  const command = join(dir, 'plugin')
  const text = `#!/bin/sh\nSTRFRY_CONFIG=${context.env.STRFRY_CONFIG} exec ${sourceLauncher(context.dir)}\n`
  await writeFile(command, text, { mode: 0o755 })
  const [port = 0] = await freePorts(1)
  const strfry = await spawnStrfry({ bin, dir, db: join(dir, 'strfry-db'), port, command })
  const client = await connect(strfry.url)
  const plugin = strfryPlugin({ command })
  for (const event of twoHundred(context)) {
    const [[ok, msg], harness] = [await client.publish(event), await plugin.ask(event)]
    assert.equal({ action: ok ? 'accept' : 'reject', msg }, harness)
  }
  client.close()
  await plugin.close()
  await strfry.stop()
  await rm(dir, { recursive: true })
})

test('sentences have a prefix and fit into a line; unknown is not anonymous', async ({
  dir,
  env,
}) => {
  const plugin = strfryPlugin({ command: sourceLauncher(dir, ownPlugin), env })
  const { sign, pubkey } = person()
  const bare = await plugin.ask(sign({ kind: 1, content: 'bare' }))
  assert.equal(bare, { action: 'reject', msg: 'blocked: no prefix' })
  const long = await plugin.ask(sign({ kind: 1, content: 'long' }))
  assert.match(long.msg, /^blocked: \u{1f680}{500}/u)
  const members = sign({ kind: 1, content: 'members' })
  const from = { sourceType: 'IP4', sourceInfo: '127.0.0.1' }
  const unknown = await plugin.ask(members)
  assert.match(unknown.msg, /^restricted: .* add a \["-"\] tag$/)
  assert.is((await plugin.ask(members, { ...from, authed: pubkey })).action, 'accept')
  const other = await plugin.ask(members, { ...from, authed: person().pubkey })
  assert.match(other.msg, /^auth-required: /)
  assert.equal(plugin.log, [])
  await plugin.close()
})

test('it goes at once on SIGTERM and at the end of its input, and a touched launcher is loaded anew', async ({
  dir,
  env,
}) => {
  const command = sourceLauncher(dir, 'live-chat')
  const plugin = strfryPlugin({ command, env })
  const note = person().sign({ kind: 1 })
  await plugin.ask(note)
  const first = plugin.pid()
  await utimes(command, new Date(), new Date(Date.now() + 5000))
  assert.is((await plugin.ask(note)).action, 'accept')
  assert.is.not(plugin.pid(), first)
  assert.ok((await plugin.close()) < 2000, 'SIGTERM')

  const child = spawn(command, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end('no request\n')
  const [code] = await once(child, 'exit')
  assert.is(code, 0)
})

test('a changed strfry.conf or plugin file is met without a restart; a mistake in it leaves what was', async ({
  dir,
}) => {
  const [conf, file] = [join(dir, 'own.conf'), join(dir, 'door.ts')]
  const written = (words: string) =>
    write(conf, `db = "${join(dir, 'db')}"\nplugins = ["${ownPlugin}", "${file}"]\n${words}`)
  write(file, refusing('door', 'first', 7))
  written('noWords { words = ["one"] }')
  const plugin = strfryPlugin({ command: sourceLauncher(dir), env: { STRFRY_CONFIG: conf } })
  const { sign } = person()
  const says = async (content: string, kind = 1) => (await plugin.ask(sign({ kind, content }))).msg
  assert.match(await says('one'), /nobody wants to read of one/)
  const pid = plugin.pid()
  written('noWords { words = ["two"] }')
  await until('the block is met', async () => (await says('one')) === '')
  assert.match(await says('two'), /nobody wants to read of two/)
  assert.is(await says('x', 7), 'blocked: first')
  write(file, refusing('door', 'second', 7))
  await until('the file is met', async () => (await says('x', 7)) === 'blocked: second')
  written('noWords { words = 3 }')
  await sleep(1000)
  assert.match(await says('two'), /nobody wants to read of two/)
  written('noWords { words = ["three"] }')
  await until('it is whole again', async () => (await says('three')) !== '')
  assert.is(plugin.pid(), pid)
  assert.equal(plugin.log, [])
  await plugin.close()
})

test("what the relay's own key signed passes: it comes from the companion", async ({
  dir,
  env,
  relay,
}) => {
  const plugin = strfryPlugin({ command: sourceLauncher(dir, 'access-grant', 'live-chat'), env })
  const forged = await plugin.ask(person().sign({ kind: 5650 }))
  assert.equal(forged, { action: 'reject', msg: 'restricted: grants are issued by this relay' })
  const secret = Buffer.from(readFileSync(join(relay.dir, 'relay.key'), 'utf8').trim(), 'hex')
  const own = person(secret).sign({ kind: 5650 })
  assert.is((await plugin.ask(own)).action, 'accept')
  await plugin.close()
})

test('a plugin that opens ports in setup only decides here: nothing listens', async ({
  dir,
  env,
}) => {
  const all = ['live-stream', 'payment-stream', 'playback']
  const plugin = strfryPlugin({ command: sourceLauncher(dir, ...all), env })
  const { sign } = person()
  const twice = [
    ['d', 'x'],
    ['status', 'live'],
    ['status', 'ended'],
  ]
  assert.match((await plugin.ask(sign({ kind: 30311, tags: twice }))).msg, /^invalid: /)
  const open = await plugin.ask(sign({ kind: 5610, created_at: now() }))
  assert.match(open.msg, /^invalid: /)
  const receipt = await plugin.ask(sign({ kind: 5613 }))
  assert.match(receipt.msg, /^restricted: kind 5613 comes from the payee/)
  await plugin.close()
})

test.run()
