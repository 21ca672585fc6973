/** What the operator decides over NIP-86: it holds, on every verb, over restarts, and can be taken back. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  connect,
  type Person,
  person,
  startRelay,
  type TestClient,
  type TestRelay,
} from '../harness.ts'

interface Context {
  dir: string
  relay: TestRelay
  admin: Person
  /** A connection that the test's end closes; `ip` is what the proxy says of it. */
  open(ip?: string): Promise<TestClient>
  restart(): Promise<void>
}

const test = suite<Context>('management')
let clients: TestClient[] = []

test.before.each(async context => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-management-'))
  const admin = person()
  const set = [
    'plugins=["management"]',
    `management.admins=["${admin.pubkey}"]`,
    'relay.realIpHeader=x-forwarded-for',
  ]
  const boot = async () => {
    context.relay = await startRelay({ dir, set })
  }
  Object.assign(context, { dir, admin })
  context.open = async (ip = '192.0.2.1') => {
    const client = await connect(context.relay.url, { 'x-forwarded-for': ip })
    clients.push(client)
    return client
  }
  context.restart = async () => {
    await context.relay.stop()
    await boot()
  }
  await boot()
})
test.after.each(async ({ relay, dir }) => {
  for (const client of clients.splice(0)) client.close()
  clients = []
  await relay.stop()
  await rm(dir, { recursive: true })
})

/** Calls a method as the administrator; throws the sentence of a refusal. */
async function call({ relay, admin }: Context, method: string, ...params: unknown[]) {
  const body = JSON.stringify({ method, params })
  const tags = [
    ['u', relay.http],
    ['method', 'POST'],
    ['payload', createHash('sha256').update(body).digest('hex')],
  ]
  const event = JSON.stringify(admin.sign({ kind: 27_235, tags }))
  const authorization = `Nostr ${Buffer.from(event).toString('base64')}`
  const response = await fetch(relay.http, { method: 'POST', headers: { authorization }, body })
  const { result, error } = (await response.json()) as { result?: unknown; error?: string }
  if (error !== undefined) throw new Error(error)
  return result
}

const say = (client: TestClient, who: Person, kind = 1) =>
  client.publish(who.sign({ kind, content: String(Math.random()) })).then(String)

test('a list of who may write lets them in and nobody else, until it is empty again', async context => {
  const client = await context.open()
  const [guest, stranger] = [person(), person()]
  assert.is(await call(context, 'allowpubkey', guest.pubkey, 'a friend'), true)
  assert.is(await say(client, guest), 'true,')
  assert.match(
    await say(client, stranger),
    /^false,restricted: only pubkeys that the operator let in/,
  )
  const friend = { pubkey: guest.pubkey, reason: 'a friend' }
  assert.equal(await call(context, 'listallowedpubkeys'), [friend])
  await call(context, 'banpubkey', guest.pubkey)
  assert.equal(await call(context, 'listallowedpubkeys'), [], 'a ban takes off the list')
  assert.match(await say(client, guest), /^false,blocked: the operator keeps this pubkey out/)
  await call(context, 'allowpubkey', guest.pubkey)
  assert.equal(await call(context, 'listbannedpubkeys'), [], 'and the list lifts a ban')
  await call(context, 'unallowpubkey', guest.pubkey)
  assert.is(await say(client, stranger), 'true,')
})

test('kinds are taken or not: those allowed if some are, never those disallowed', async context => {
  const client = await context.open()
  const author = person()
  await call(context, 'disallowkind', 7)
  assert.match(await say(client, author, 7), /^false,blocked: kind 7 is not taken here/)
  assert.is(await say(client, author), 'true,')
  await call(context, 'allowkind', 1)
  assert.is(await say(client, author), 'true,')
  assert.match(await say(client, author, 42), /^false,blocked: kind 42/)
  assert.equal(await call(context, 'listallowedkinds'), [1])
  assert.equal(await call(context, 'listdisallowedkinds'), [7])
  await call(context, 'allowkind', 7)
  assert.equal(await call(context, 'listdisallowedkinds'), [])
  assert.is(await say(client, author, 7), 'true,')
  for (const bad of [-1, 65_536, 1.5, '7', null])
    assert.match(await call(context, 'allowkind', bad).then(String, String), /allowkind: 0/)
})

test('a blocked address neither writes, reads nor counts, however it was written', async context => {
  const [blocked, other] = [await context.open('2001:db8::7'), await context.open('2001:db8::8')]
  await call(context, 'blockip', '2001:0DB8:0:0::7', 'noise')
  assert.equal(await call(context, 'listblockedips'), [{ ip: '2001:db8::7', reason: 'noise' }])
  assert.match(await say(blocked, person()), /^false,blocked: the operator keeps your address out/)
  assert.match(await blocked.req('s', {}).then(String, String), /blocked: the operator keeps your/)
  blocked.send(['COUNT', 'c', {}])
  assert.match(String((await blocked.next(m => m[1] === 'c'))[2]), /^blocked:/)
  blocked.send(['NEG-OPEN', 'n', {}, '61000000'])
  assert.match(String((await blocked.next(m => m[1] === 'n'))[2]), /^blocked:/)
  assert.is(await say(other, person()), 'true,')
  await call(context, 'unblockip', '2001:db8::7')
  assert.is(await say(blocked, person()), 'true,')
  assert.match(await call(context, 'blockip', 'localhost').then(String, String), /an IP address/)
})

test('what people report waits for a verdict, each event once, with the newest reason', async context => {
  const client = await context.open()
  const [author, one, two] = [person(), person(), person()]
  const [bad, fine] = ['buy this', 'hello'].map(content => author.sign({ kind: 1, content }))
  assert.ok(bad && fine)
  for (const event of [bad, fine]) await client.publish(event)
  const report = (who: Person, id: string, type: string, seconds: number) =>
    who.sign({
      kind: 1984,
      created_at: Math.floor(Date.now() / 1000) - seconds,
      content: type === 'spam' ? 'thrice today' : '',
      tags: [
        ['e', id, type],
        ['p', author.pubkey],
      ],
    })
  await client.publish(report(one, bad.id, 'other', 20))
  await client.publish(report(two, bad.id, 'spam', 10))
  await client.publish(report(one, fine.id, 'nudity', 5))
  assert.equal(await call(context, 'listeventsneedingmoderation'), [
    { id: fine.id, reason: 'nudity' },
    { id: bad.id, reason: 'spam: thrice today' },
  ])
  await call(context, 'allowevent', fine.id)
  await call(context, 'banevent', bad.id, 'spam')
  assert.equal(await call(context, 'listeventsneedingmoderation'), [])
  const left = await client.req('s', { ids: [bad.id, fine.id] })
  assert.equal(
    left.map(event => event.id),
    [fine.id],
  )
  assert.is(String(await client.publish(bad)), 'false,blocked: the operator took this event out')
  await call(context, 'allowevent', bad.id)
  assert.is(String(await client.publish(bad)), 'true,')
})

test('all of it holds after a restart', async context => {
  const [troll, author] = [person(), person()]
  const event = author.sign({ kind: 1, content: 'out' })
  await call(context, 'banpubkey', troll.pubkey, 'trolling')
  await call(context, 'banevent', event.id)
  await call(context, 'disallowkind', 42)
  await call(context, 'blockip', '192.0.2.9')
  await call(context, 'changerelayname', 'The quiet one')
  await context.restart()
  const client = await context.open()
  assert.match(await say(client, troll), /^false,blocked: the operator keeps this pubkey/)
  assert.match(String(await client.publish(event)), /^false,blocked: the operator took/)
  assert.match(await say(client, author, 42), /^false,blocked: kind 42/)
  assert.match(await say(await context.open('192.0.2.9'), author), /^false,blocked:/)
  assert.is(await say(client, author), 'true,')
  const banned = { pubkey: troll.pubkey, reason: 'trolling' }
  assert.equal(await call(context, 'listbannedpubkeys'), [banned])
  const info = await fetch(context.relay.http, { headers: { accept: 'application/nostr+json' } })
  assert.is(((await info.json()) as { name: string }).name, 'The quiet one')
})

test('a ban clears what its pubkey has here, over a restart too, but not mail and payments', async context => {
  const { store } = context.relay.relay
  const [troll, other] = [person(), person()]
  const at = Math.floor(Date.now() / 1000)
  const notes = Array.from({ length: 450 }, (_, i) =>
    troll.sign({ kind: 1, content: `${i}`, created_at: at - (i % 90) }),
  )
  const kept = [4, 1059, 5610, 5612].map(kind =>
    troll.sign({ kind, created_at: at - 45, tags: [['p', other.pubkey]] }),
  )
  const foreign = other.sign({ kind: 1, content: 'mine' })
  await Promise.all([...notes, ...kept, foreign].map(event => store.putEvent(event)))
  await call(context, 'banpubkey', troll.pubkey)
  // The job is in the transaction of the ban: who stops the relay now does not stop it.
  await context.restart()
  const { relay } = context.relay
  const left = async () => relay.store.events([{ authors: [troll.pubkey], limit: 1000 }])
  for (let waited = 0; (await left()).length > kept.length && waited < 20_000; waited += 50)
    await sleep(50)
  const ids = (await left()).map(event => event.id)
  assert.equal(ids.sort(), kept.map(event => event.id).sort())
  assert.ok(await relay.store.event(foreign.id))
})

test('parameters that do not fit change nothing and are named', async context => {
  for (const [method, ...params] of [
    ['banpubkey', 'npub1x'],
    ['banpubkey'],
    ['banevent', 5],
    ['allowpubkey', 'a'.repeat(64), 7],
    ['changerelayname', 'x'.repeat(1001)],
    ['blockip', '300.1.1.1'],
  ])
    assert.match(
      await call(context, String(method), ...params).then(String, String),
      new RegExp(`Error: ${method}: `),
    )
  for (const list of [
    'listbannedpubkeys',
    'listallowedpubkeys',
    'listbannedevents',
    'listblockedips',
  ])
    assert.equal(await call(context, list), [], list)
})

test.run()
