/**
 * What a stranger may send to the relay's port, each check named after its threat. Others stand beside what they
 * threaten: forged ids and relayed AUTH (test/conformance), X-Forwarded-For and floods (test/relay/client-*), paths
 * (test/relay/basics), tokens (test/grants), amounts and retries (test/payments), addresses inside (test/livepeer/guard,
 * test/policies/background), the key file (test/relay/curve), secrets in logs (test/flows/viewer).
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import accessGrant from '../../plugins/access-grant/index.ts'
import management from '../../plugins/management/index.ts'
import { definePolicy, type Host } from '../../plugins/plugin.ts'
import { httpServer } from '../../relay/http.ts'
import { connect, person, spawnRelay, startRelay, type TestRelay } from '../harness.ts'

const MB = 1 << 20
/** Negentropy by one who has nothing: what the relay has comes back as ids. */
const EMPTY_HANDS = '6100000200'

let host: Host
/** Gives the test the relay's own hand: what only its key may sign. */
const insider = definePolicy({
  name: 'insider',
  options: management.options,
  create: (_, given) => {
    host = given
    return { name: 'insider', writeKinds: [], write: () => ({ action: 'accept' }) }
  },
})

const test = suite<{ relay: TestRelay }>('threats')
test.before(async context => {
  context.relay = await startRelay({ plugins: [insider, management, accessGrant] })
})
test.after(({ relay }) => relay.stop())

/** The relay answers as ever. */
async function isAlive({ url }: Pick<TestRelay, 'url'>): Promise<void> {
  const client = await connect(url)
  const event = person().sign({ kind: 1, content: 'still here' })
  assert.equal(await client.publish(event), [true, ''])
  assert.equal((await client.req('s', { ids: [event.id] })).length, 1)
  client.close()
}

const zeros = (digits: number) => '0'.repeat(digits)
const eventWith = (more: string) =>
  `{"id":"${zeros(64)}","pubkey":"${zeros(64)}","sig":"${zeros(128)}","created_at":1,"kind":1,"content":"",${more}}`
const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

test('JSON nested as deep as a message is long is refused wherever it stands', async ({
  relay,
}) => {
  const client = await connect(relay.url)
  await client.next(m => m[0] === 'AUTH')
  for (const levels of [1000, 10_000, 60_000]) {
    const objects = `${'{"a":'.repeat(levels / 3)}1${'}'.repeat(levels / 3)}`
    for (const text of [
      deep(levels),
      `["EVENT",${eventWith(`"tags":${deep(levels)}`)}]`,
      `["EVENT",${eventWith(`"tags":[],"more":${deep(levels)}`)}]`,
      `["EVENT",${eventWith('"tags":[]')},${deep(levels)}]`,
      `["EVENT",${objects}]`,
      `["AUTH",${deep(levels)}]`,
      `["REQ","x",${objects}]`,
      `["REQ","x",{"ids":${deep(levels)}}]`,
      `["COUNT","x",{"#e":${deep(levels)}}]`,
      `["NEG-OPEN","x",{"kinds":${deep(levels)}},"61"]`,
      `["CLOSE",${deep(levels)}]`,
    ]) {
      client.ws.send(text)
      const answer = await client.next(() => true)
      assert.match(String(answer.at(-1)), /^invalid: /, `${levels} ${text.slice(0, 30)}`)
    }
  }
  client.close()
  await isAlive(relay)
})

test('numbers that two readers take for two values are refused: -0, 1e0, 1.0, 2^53', async ({
  relay,
}) => {
  const client = await connect(relay.url)
  const text = JSON.stringify(person().sign({ kind: 1, created_at: 1, content: 'x' }))
  for (const number of ['-0', '1e0', '1.0', '9007199254740993', '1e400', '-1', '"1"', 'null'])
    for (const name of ['kind', 'created_at']) {
      client.ws.send(
        `["EVENT",${text.replace(new RegExp(`"${name}":\\d+`), `"${name}":${number}`)}]`,
      )
      const [, , ok, msg] = await client.next(m => m[0] === 'OK')
      assert.is(ok, false, `${name} ${number}`)
      assert.match(String(msg), /^invalid: /)
    }
  client.close()
})

test('a list where a text belongs is no text, though it reads like one', async ({ relay }) => {
  const client = await connect(relay.url)
  const event = person().sign({ kind: 1, content: 'x' })
  client.send(['EVENT', { ...event, id: [event.id] }])
  client.send(['EVENT', { ...event, pubkey: [event.pubkey] }])
  for (const bad of [{ ids: [[event.id]] }, { authors: [[event.pubkey]] }])
    assert.match(String(await client.req('x', bad).catch(e => e.message)), /^invalid: /)
  assert.match(String((await client.next(m => m[0] === 'NOTICE'))[1]), /^invalid: id/)
  assert.match(String((await client.next(m => m[0] === 'OK'))[3]), /^invalid: pubkey/)
  client.close()
})

test('bytes that are no UTF-8 close with 1007', async ({ relay }) => {
  for (const bytes of [
    [0xff, 0xfe],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
  ]) {
    const { ws } = await connect(relay.url)
    ws.send(Buffer.from(bytes), { binary: false })
    assert.is((await once(ws, 'close'))[0], 1007, bytes.join())
  }
  await isAlive(relay)
})

test('a compression bomb closes with 1009 and takes no memory', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bomb-'))
  const settings = [`db=${dir}`, 'plugins=[]', 'relay.compression.enabled=true']
  const relay = await spawnRelay(settings.flatMap(setting => ['--set', setting]))
  const memory = async () => {
    const metrics = await (await fetch(`${relay.http}/metrics`)).text()
    return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1])
  }
  try {
    const before = await memory()
    const bomb = Buffer.alloc(128 * MB, 0x20)
    const ws = new WebSocket(relay.url, { perMessageDeflate: { threshold: 0 } })
    await once(ws, 'open')
    assert.match(ws.extensions, /permessage-deflate/)
    ws.on('error', () => undefined)
    ws.send(bomb, { binary: false })
    assert.is((await once(ws, 'close'))[0], 1009)
    assert.ok((await memory()) - before < 64 * MB, 'the relay has grown')
    await isAlive(relay)
  } finally {
    await relay.stop()
    await rm(dir, { recursive: true })
  }
})

test('a message that is longer than it may be closes with 1009, in pieces too', async ({
  relay,
}) => {
  const { ws } = await connect(relay.url)
  ws.on('error', () => undefined)
  for (let i = 0; i < 200; i++) ws.send('x'.repeat(1000), { fin: false })
  assert.is((await once(ws, 'close'))[0], 1009)
})

test("others' 5650 is read by no verb: REQ by id, author, p or nothing, live, COUNT, NEG, search", async ({
  relay,
}) => {
  const viewer = person()
  const grant = (content: string) =>
    host.publish({ kind: 5650, created_at: now(), tags: [['p', viewer.pubkey]], content })
  const { id } = await grant('forthem')
  const filters = [
    {},
    { ids: [id] },
    { authors: [host.self] },
    { '#p': [viewer.pubkey] },
    { since: 0 },
    { search: 'forthem' },
  ]
  const [stranger, thief] = [await connect(relay.url), await connect(relay.url)]
  await thief.auth(person())
  for (const client of [stranger, thief]) {
    for (const [i, filter] of filters.entries()) {
      const found = await client.req(`s${i}`, filter).catch(() => [])
      assert.not(
        found.some(event => event.id === id),
        JSON.stringify(filter),
      )
      client.send(['COUNT', 'c', { ...filter, kinds: undefined }])
      const answer = await client.next(m => m[1] === 'c')
      if (answer[0] === 'COUNT' && !('since' in filter) && Object.keys(filter).length > 0)
        assert.is((answer[2] as { count: number }).count, 0, JSON.stringify(filter))
    }
    for (const kinds of [[5650], [1, 5650]]) {
      const filter = { kinds, '#p': [viewer.pubkey] }
      const heard = await client.req('k', filter).catch(error => String(error.message))
      assert.match(String(heard), /^(auth-required|restricted):|^$/)
      client.send(['NEG-OPEN', 'n', filter, EMPTY_HANDS])
      const answer = String((await client.next(m => m[1] === 'n'))[2])
      assert.not(answer.includes(id))
    }
    client.send(['NEG-OPEN', 'n', { ids: [id] }, EMPTY_HANDS])
    assert.not(String((await client.next(m => m[1] === 'n'))[2]).includes(id))
  }
  await grant('live')
  await isAlive(relay)
  for (const client of [stranger, thief]) {
    assert.not(client.inbox.some(m => m[0] === 'EVENT' && (m[2] as { kind: number }).kind === 5650))
    client.close()
  }
  const owner = await connect(relay.url)
  await owner.auth(viewer)
  assert.is((await owner.req('s', { kinds: [5650], '#p': [viewer.pubkey] })).length, 2)
  owner.send(['NEG-OPEN', 'n', { ids: [id] }, EMPTY_HANDS])
  assert.ok(String((await owner.next(m => m[1] === 'n'))[2]).includes(id))
  owner.close()
})

test('a 5650 that somebody else signed is refused', async ({ relay }) => {
  const client = await connect(relay.url)
  const forger = person()
  const [ok, msg] = await client.publish(forger.sign({ kind: 5650, tags: [['p', forger.pubkey]] }))
  assert.is(ok, false)
  assert.match(msg, /^restricted: grants are issued by this relay/)
  client.close()
})

test('quotes, wildcards and statements in tags, d and search are literal', async ({ relay }) => {
  const client = await connect(relay.url)
  const author = person()
  const odd = [`'; DROP TABLE event; --`, `" OR 1=1`, '%', '_', '\\', '*', 'a\0b', '{}', ')']
  const events = odd.map(text =>
    author.sign({
      kind: 30_023,
      tags: [
        ['d', text],
        ['t', text],
      ],
      content: text,
    }),
  )
  for (const event of events) assert.equal(await client.publish(event), [true, ''])
  for (const [i, text] of odd.entries()) {
    for (const tag of ['#d', '#t']) {
      const found = await client.req('s', { [tag]: [text] })
      assert.equal(
        found.map(event => event.id),
        [events[i]?.id],
        `${tag} ${text}`,
      )
    }
    await client.req('q', { search: text })
  }
  assert.is((await client.req('all', { authors: [author.pubkey] })).length, odd.length)
  client.close()
})

test('__proto__ and its like are names as any other', async ({ relay }) => {
  const client = await connect(relay.url)
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  const event = person().sign({ kind: 1, tags: names.map(name => [name, name]), content: '' })
  assert.equal(await client.publish(event), [true, ''])
  for (const name of names) {
    assert.equal((await client.req(name, { ids: [event.id] })).length, 1)
    client.ws.send(`["REQ","x",{"${name}":{"polluted":1}}]`)
    assert.match(String((await client.next(m => m[0] === 'CLOSED'))[2]), /^invalid: /)
    client.ws.send(`["EVENT",{"${name}":{"polluted":1}}]`)
    assert.match(String((await client.next(m => m[0] === 'NOTICE'))[1]), /^invalid: /)
    client.ws.send(`["${name}"]`)
    assert.match(String((await client.next(m => m[0] === 'NOTICE'))[1]), /^invalid: /)
  }
  assert.is(({} as Record<string, unknown>).polluted, undefined)
  client.close()
})

test('filters of numbers beyond all bounds and of thousands of values are answered or refused', async ({
  relay,
}) => {
  const client = await connect(relay.url)
  const many = Array.from({ length: 1500 }, (_, i) => i.toString(16).padStart(64, '0'))
  for (const filter of [
    { limit: Number.MAX_SAFE_INTEGER },
    { since: Number.MAX_SAFE_INTEGER, until: 0 },
    { kinds: [Number.MAX_SAFE_INTEGER] },
    { ids: many },
    { authors: many, kinds: Array.from({ length: 1000 }, (_, i) => i) },
    { '#t': Array.from({ length: 14_000 }, (_, i) => `${i}`) },
    { '#t': Array.from({ length: 64 }, (_, i) => `${i}`), kinds: Array(50_000).fill(1) },
    { kinds: [] },
    { ids: [] },
  ])
    assert.type(await client.req('s', filter).then(found => found.length), 'number')
  client.close()
})

test('slow loris: who does not finish a request in time is closed', async () => {
  const app = new Hono<{ Variables: { ip: string } }>()
  app.post('/', async c => c.text(await c.req.text()))
  app.onError((_, c) => c.text('gone', 400))
  const server = httpServer(app.fetch, { headersMs: 400, requestMs: 800 })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
  const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'
  const drip = async (beginning: string, drop: string) => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.on('error', () => undefined)
    const closed = once(socket, 'close')
    socket.write(beginning)
    const dripping = setInterval(() => socket.write(drop), 50)
    socket.resume()
    await closed
    clearInterval(dripping)
  }
  await Promise.all([
    drip('GET / HTTP/1.1\r\n', 'X: y\r\n'),
    drip(upgrade, 'X: y\r\n'),
    drip(post, 'x'),
    drip('', ''),
  ])
  server.close()
})

test('a body without end is refused with 413 before it is gathered', async ({ relay }) => {
  const before = process.memoryUsage.rss()
  for (const headers of [{}, { 'content-length': `${1000 * MB}` }]) {
    const post = request(relay.http, { method: 'POST', headers })
    post.on('error', () => undefined)
    const answered = once(post, 'response')
    let over = false
    const chunk = Buffer.alloc(MB)
    const pour = async () => {
      for (let sent = 0; sent < 200 && !over; sent++) {
        if (!post.write(chunk)) await Promise.race([once(post, 'drain'), answered, sleep(1000)])
      }
    }
    const poured = pour().catch(() => undefined)
    const [response] = await answered
    over = true
    assert.is(response.statusCode, 413)
    post.destroy()
    await poured
  }
  assert.ok(process.memoryUsage.rss() - before < 150 * MB)
  await isAlive(relay)
})

test('HTTP that is none, or names hosts and paths that are none, is 400 and nothing more', async ({
  relay,
}) => {
  const { port } = new URL(relay.http)
  for (const text of [
    'GET / HTTP/1.1\r\nHost: a b',
    'GET / HTTP/1.1\r\nHost: [::1',
    'GET / HTTP/1.1\r\nHost: x:99999',
    'GET http:// HTTP/1.1\r\nHost: x',
    'OPTIONS * HTTP/1.1\r\nHost: x',
    'GET /\\..\\relay.key HTTP/1.1\r\nHost: x',
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5',
    'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x',
    '\x16\x03\x01\x00',
  ]) {
    const socket = connectTcp(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`${text}\r\n\r\n`)
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1.1 400 /, text)
    socket.destroy()
  }
  await isAlive(relay)
})

test('a page of markup stays text: no inline script, no frame, no sniffing', async ({ relay }) => {
  const response = await fetch(`${relay.http}/watch/%3Cscript%3Ealert(1)%3C/script%3E`)
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /script-src 'self'(;|$)/)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.not.match(policy, /unsafe/)
  assert.is(response.headers.get('x-content-type-options'), 'nosniff')
  assert.not((await response.text()).includes('alert(1)'))
})

const now = () => Math.floor(Date.now() / 1000)

test.run()
