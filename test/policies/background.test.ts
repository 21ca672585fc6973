import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nip05Domains } from '../../policies/nip05-domains.ts'
import webOfTrustPlugin, { webOfTrust } from '../../policies/web-of-trust.ts'
import { isDomain, namesAt } from '../../policies/well-known.ts'
import { connect, type Person, person, startRelay } from '../harness.ts'
import { note, openStore, write } from './ask.ts'

const test = suite<{ domain: string; serve: RequestListener; asked: string[]; stop(): void }>(
  'background',
)

/** A domain: a web server on this machine that answers as the test says. */
test.before.each(context => {
  context.asked = []
  const server = createServer((request, response) => {
    context.asked.push(request.url ?? '')
    context.serve(request, response)
  })
  context.stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return new Promise<void>(listening =>
    server.listen(0, '127.0.0.1', () => {
      context.domain = `127.0.0.1:${(server.address() as AddressInfo).port}`
      listening()
    }),
  )
})
test.after.each(({ stop }) => stop())

const answer =
  (names: () => object): RequestListener =>
  (_, response) =>
    void response.end(JSON.stringify({ names: names() }))

/** Asks until the policy says what it should. */
async function until(said: () => Promise<string>, wanted: RegExp): Promise<string> {
  const end = Date.now() + 10_000
  for (;;) {
    const now = await said()
    if (wanted.test(now)) return now
    if (Date.now() > end) throw new Error(`it still says "${now}"`)
    await sleep(10)
  }
}

const profile = (who: Person, nip05: string) =>
  who.sign({ kind: 0, content: JSON.stringify({ nip05 }) })

test('who is in the nostr.json of a domain writes, others hear what to do', async context => {
  const [bob, eve] = [person(), person()]
  context.serve = answer(() => ({ bob: bob.pubkey, bad: 'npub1x' }))
  const policy = nip05Domains({ domains: [context.domain] })
  await until(() => write(policy, note('x', [], bob)), /^accept$/)
  assert.is(
    await write(policy, note('x', [], eve)),
    `restricted: only people with a name at ${context.domain} write here, get one (NIP-05), then publish your profile with it`,
  )
  await policy.close?.()
})

test('names are read again, and who was taken out writes no more; a broken file changes nothing', async context => {
  const [bob, ann] = [person(), person()]
  let names: object = { bob: bob.pubkey }
  let broken = false
  context.serve = (_, response) => void response.end(broken ? '<html>' : JSON.stringify({ names }))
  const warnings: unknown[] = []
  const log = { warn: (fields: object) => void warnings.push(fields) }
  const policy = nip05Domains({ domains: [context.domain], refreshSeconds: 0.05, log })
  await until(() => write(policy, note('x', [], bob)), /^accept$/)
  names = { ann: ann.pubkey }
  await until(() => write(policy, note('x', [], ann)), /^accept$/)
  assert.match(await write(policy, note('x', [], bob)), /^restricted:/)
  broken = true
  await until(async () => (warnings.length > 0 ? 'warned' : ''), /warned/)
  assert.is(await write(policy, note('x', [], ann)), 'accept')
  await policy.close?.()
})

test('a domain that answers for single names is asked for the one in the profile', async context => {
  const [bob, eve] = [person(), person()]
  context.serve = (request, response) => {
    const name = new URL(request.url ?? '', 'http://x').searchParams.get('name')
    response.end(JSON.stringify({ names: name === 'bob' ? { bob: bob.pubkey } : {} }))
  }
  const policy = nip05Domains({ domains: [context.domain] })
  const first = await write(policy, profile(bob, `bob@${context.domain}`))
  assert.is(
    first,
    `restricted: bob@${context.domain} is being looked up, send this again in a moment`,
  )
  await until(() => write(policy, profile(bob, `bob@${context.domain}`)), /^accept$/)
  assert.is(await write(policy, note('x', [], bob)), 'accept')
  await until(
    () => write(policy, profile(eve, `bob@${context.domain}`)),
    /does not name your pubkey/,
  )
  assert.match(
    await write(policy, profile(eve, 'eve@elsewhere.example')),
    /^restricted: only people/,
  )
  await policy.close?.()
})

test('a slow domain delays nobody, and a look-up that ends nowhere is forgotten', async context => {
  context.serve = () => {}
  const policy = nip05Domains({ domains: [context.domain], timeoutMs: 100 })
  assert.match(await write(policy, note()), /^error: the names at .* are not known yet, try again/)
  await policy.close?.()
})

test('a nostr.json is bounded in time and size, and leads nowhere else', async context => {
  const limits = { timeoutMs: 2000, maxBytes: 1000 }
  const fails = (options = limits) =>
    namesAt(context.domain, options).then(
      () => 'read',
      error => `${error.message} ${error.cause?.message ?? ''}`,
    )
  context.serve = answer(() => ({ bob: person().pubkey }))
  assert.is(await fails(), 'read')
  context.serve = (_, response) => void response.end('x'.repeat(1001))
  assert.match(await fails(), /longer than 1000 bytes/)
  context.serve = (_, response) => {
    const timer = setInterval(() => response.write('x'.repeat(400)), 5)
    response.on('close', () => clearInterval(timer))
  }
  assert.match(await fails(), /longer than 1000 bytes/)
  context.serve = (_, response) => void response.writeHead(302, { location: '/other' }).end()
  assert.match(await fails(), /redirect/)
  assert.not(context.asked.includes('/other'))
  context.serve = (_, response) => void response.writeHead(500).end('{"names":{}}')
  assert.match(await fails(), /answered 500/)
  context.serve = () => {}
  assert.match(await fails({ ...limits, timeoutMs: 50 }), /abort|timeout/i)
})

test('domains are names and ports, nothing that a URL could hide', () => {
  for (const fine of ['example.com', 'a.b-c.example', 'localhost:8080'])
    assert.ok(isDomain(fine), fine)
  for (const bad of ['', 'exa mple', 'a@b', 'a/b', 'a?b', '..', 'A.com', 'https://a'])
    assert.not(isDomain(bad), bad)
  assert.throws(() => nip05Domains({ domains: [] }), /needs domains/)
  assert.throws(() => nip05Domains({ domains: ['a/b'] }), /not "a\/b"/)
})

test('trust reaches as many hops as it may, by the follow lists in the store', async () => {
  const { relayStore, store, close } = openStore()
  const [root, friend, friendOfFriend, far] = [person(), person(), person(), person()] as const
  const follow = (who: Person, ...whom: Person[]) =>
    relayStore.putEvent(who.sign({ kind: 3, tags: whom.map(one => ['p', one.pubkey]) }))
  await follow(root, friend)
  await follow(friend, friendOfFriend)
  await follow(friendOfFriend, far)
  const two = webOfTrust({ store, roots: [root.pubkey] })
  for (const who of [root, friend, friendOfFriend])
    assert.is(await write(two, note('x', [], who)), 'accept')
  assert.is(
    await write(two, note('x', [], far)),
    'restricted: this relay takes events of people within 2 follows of its operators, ask one of them to follow you',
  )
  const one = webOfTrust({ store, roots: [root.pubkey], hops: 1 })
  assert.is(await write(one, note('x', [], friend)), 'accept')
  assert.match(
    await write(one, note('x', [], friendOfFriend)),
    /^restricted: .*whom its operators follow/,
  )
  const few = webOfTrust({ store, roots: [root.pubkey], maxPubkeys: 2 })
  assert.is(await write(few, note('x', [], friend)), 'accept')
  assert.match(await write(few, note('x', [], friendOfFriend)), /^restricted:/)
  for (const policy of [two, one, few]) await policy.close?.()
  assert.throws(() => webOfTrust({ store, roots: [] }), /at least one root/)
  await close()
})

test('in a relay, who is followed anew is trusted after the next refresh, who is not any more is out', async () => {
  const [root, friend, other] = [person(), person(), person()] as const
  const relay = await startRelay({
    plugins: [webOfTrustPlugin as never],
    set: [`webOfTrust.roots=["${root.pubkey}"]`, 'webOfTrust.refreshSeconds=1'],
  })
  const client = await connect(relay.url)
  const now = Math.floor(Date.now() / 1000)
  const follow = (whom: Person, created_at: number) =>
    client.publish(root.sign({ kind: 3, created_at, tags: [['p', whom.pubkey]] }))
  const answerTo = async (who: Person) =>
    String(await client.publish(note(`${Math.random()}`, [], who)))
  assert.match(await answerTo(friend), /^false,restricted:/)
  assert.equal(await follow(friend, now - 1), [true, ''])
  await until(() => answerTo(friend), /^true/)
  assert.equal(await follow(other, now), [true, ''])
  await until(() => answerTo(other), /^true/)
  assert.match(await answerTo(friend), /^false,restricted:/)
  client.close()
  await relay.stop()
})

test.run()
