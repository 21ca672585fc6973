import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, person, startRelay, type TestClient, type TestRelay } from '../harness.ts'

const test = suite<{ relay: TestRelay; client: TestClient }>('relay')
test.before(async context => {
  context.relay = await startRelay({ plugins: [] })
})
test.before.each(async context => {
  context.client = await connect(context.relay.url)
})
test.after.each(({ client }) => client.close())
test.after(({ relay }) => relay.stop())

test('an event is stored, found and delivered live, once', async ({ relay, client }) => {
  const author = person()
  const reader = await connect(relay.url)
  assert.equal(await reader.req('s', { authors: [author.pubkey] }), [])
  const event = author.sign({ kind: 1, content: 'hello "world"\n' })
  assert.equal(await client.publish(event), [true, ''])
  assert.equal((await reader.next(m => m[0] === 'EVENT'))[2], JSON.parse(JSON.stringify(event)))
  assert.equal(
    (await client.req('t', { ids: [event.id] })).map(e => e.id),
    [event.id],
  )
  assert.equal(await client.publish(event), [true, ''])
  client.send(['COUNT', 'c', { authors: [author.pubkey] }])
  assert.equal((await client.next(m => m[0] === 'COUNT'))[2], { count: 1 })
  assert.is(reader.inbox.filter(m => m[0] === 'EVENT').length, 0)
  reader.close()
})

test('forged ids and signatures are refused', async ({ client }) => {
  const event = person().sign({ kind: 1, content: 'true' })
  const [ok, msg] = await client.publish({ ...event, content: 'false' })
  assert.not(ok)
  assert.match(msg, /^invalid: the id/)
  const other = person().sign({ kind: 1, content: 'other' })
  const [signed, why] = await client.publish({ ...event, sig: other.sig })
  assert.not(signed)
  assert.match(why, /^invalid: the signature/)
})

test('what two implementations could read differently is refused', async ({ client }) => {
  const event = person().sign({ kind: 1, content: 'x' })
  const text = JSON.stringify(event)
  const bad = [
    text.replace('"kind":1', '"kind":1,"kind":1'),
    text.replace('"kind":1', '"kind":1.0'),
    text.replace(/"created_at":(\d)(\d+)/, '"created_at":$1.$2e9'),
    text.replace('"content":"x"', '"content":"\\ud800"'),
  ]
  for (const one of bad) {
    client.ws.send(`["EVENT",${one}]`)
    const [, , ok, msg] = await client.next(m => m[0] === 'OK')
    assert.is(ok, false, one)
    assert.match(String(msg), /^invalid: /)
  }
  client.ws.send(`[ "EVENT" , ${text.replace(/,/g, ' ,\n')} ]`)
  assert.is((await client.next(m => m[0] === 'OK'))[2], true)
})

test('a private kind goes to its author and its p only, on every verb', async ({
  relay,
  client,
}) => {
  const [alice, bob, eve] = [person(), person(), person()]
  const secret = alice.sign({ kind: 5610, tags: [['p', bob.pubkey]] })
  assert.equal(await client.publish(secret), [true, ''])
  const filters = [{ ids: [secret.id] }, { authors: [alice.pubkey] }, { '#p': [bob.pubkey] }]
  for (const filter of filters) {
    assert.equal(await client.req('leak', filter), [], JSON.stringify(filter))
    client.send(['COUNT', 'c', filter])
    const [, , answer] = await client.next(m => m[0] === 'COUNT')
    assert.is((answer as { count: number }).count, 0)
  }
  assert.match(
    String(await client.req('x', { kinds: [5610] }).catch(e => e.message)),
    /^auth-required:/,
  )
  assert.equal(await client.auth(eve), [true, ''])
  assert.equal(await client.req('y', { kinds: [5610] }), [])
  const foreign = { kinds: [5610], '#p': [bob.pubkey] }
  assert.match(String(await client.req('z', foreign).catch(e => e.message)), /^restricted:/)

  const friend = await connect(relay.url)
  await friend.auth(bob)
  assert.equal(
    (await friend.req('mine', foreign)).map(e => e.id),
    [secret.id],
  )
  const more = alice.sign({ kind: 5610, content: 'live', tags: [['p', bob.pubkey]] })
  await client.publish(more)
  assert.is(((await friend.next(m => m[0] === 'EVENT'))[2] as { id: string }).id, more.id)
  assert.is(client.inbox.filter(m => m[0] === 'EVENT').length, 0)
  friend.close()
})

test('several pubkeys may authenticate on one connection; a relayed AUTH is refused', async ({
  relay,
  client,
}) => {
  const [one, two] = [person(), person()]
  assert.equal(await client.auth(one), [true, ''])
  assert.equal(await client.auth(two), [true, ''])
  const [, challenge] = await client.next(m => m[0] === 'AUTH')
  const answer = (tags: string[][], created_at?: number) =>
    one.sign({ kind: 22242, tags, ...(created_at ? { created_at } : {}) })
  const relayTag = ['relay', relay.url]
  const bad = [
    answer([
      ['relay', 'wss://other.example'],
      ['challenge', String(challenge)],
    ]),
    answer([relayTag, ['challenge', 'old']]),
    answer([relayTag, ['challenge', String(challenge)]], 1_600_000_000),
    one.sign({ kind: 1, tags: [relayTag, ['challenge', String(challenge)]] }),
  ]
  for (const event of bad) {
    client.send(['AUTH', event])
    assert.is((await client.next(m => m[0] === 'OK' && m[1] === event.id))[2], false)
  }
})

test('a protected event comes from its author or not at all', async ({ client }) => {
  const author = person()
  const event = author.sign({ kind: 1, tags: [['-']] })
  assert.match((await client.publish(event))[1], /^auth-required:/)
  await client.auth(person())
  assert.match((await client.publish(event))[1], /^restricted:/)
  await client.auth(author)
  assert.equal(await client.publish(event), [true, ''])
})

test('ephemeral events pass by and are not kept', async ({ relay, client }) => {
  const author = person()
  const reader = await connect(relay.url)
  await reader.req('s', { kinds: [20_001] })
  const event = author.sign({ kind: 20_001, content: 'now' })
  assert.equal(await client.publish(event), [true, ''])
  await reader.next(m => m[0] === 'EVENT')
  assert.equal(await client.req('t', { ids: [event.id] }), [])
  reader.close()
})

test('nonsense gets a sentence, and the connection lives', async ({ client }) => {
  for (const text of [
    '',
    '{',
    '[]',
    '{}',
    '["HELLO"]',
    '["EVENT"]',
    '["REQ"]',
    '["EVENT",{}]',
    '['.repeat(100_000),
  ]) {
    client.ws.send(text)
    const message = await client.next(m => m[0] === 'NOTICE' || m[0] === 'OK')
    assert.match(String(message.at(-1)), /^invalid: /, text.slice(0, 10))
  }
  client.send(['REQ', 'x', { ids: ['abc'] }])
  assert.match(String((await client.next(m => m[0] === 'CLOSED'))[2]), /^invalid: ids/)
  client.send(['REQ', 'x', { __proto__: null, nope: 1 }])
  assert.match(String((await client.next(m => m[0] === 'CLOSED'))[2]), /^invalid: nope/)
})

test('a subscription too many is refused, and a replaced one is not', async ({ client }) => {
  for (let i = 0; i < 200; i++) client.send(['REQ', `s${i}`, { kinds: [1], limit: 0 }])
  client.send(['REQ', 's0', { kinds: [1], limit: 0 }])
  client.send(['REQ', 's200', { kinds: [1], limit: 0 }])
  assert.is((await client.next(m => m[0] === 'CLOSED'))[1], 's200')
})

test('NIP-11, health and pages hygiene', async ({ relay }) => {
  const response = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  assert.is(response.headers.get('access-control-allow-origin'), '*')
  const info = (await response.json()) as { self: string; supported_nips: number[] }
  assert.is(info.self, relay.relay.self)
  assert.ok(info.supported_nips.includes(42))
  assert.is((await fetch(`${relay.http}/healthz`)).status, 200)
  assert.match(await (await fetch(`${relay.http}/metrics`)).text(), /sluice_connections/)
  for (const path of ['/..%2fetc/passwd', '/a%00b', '/a%5cb']) {
    const refused = await fetch(relay.http + path)
    assert.is(refused.status, 400)
    assert.type(((await refused.json()) as { error: string }).error, 'string')
  }
  assert.is((await fetch(`${relay.http}/nothing.js`)).status, 404)
})

test.run()
