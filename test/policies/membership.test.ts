import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clock } from '../../plugins/plugin.ts'
import {
  connect,
  type Person,
  person,
  startRelay,
  type TestClient,
  type TestRelay,
} from '../harness.ts'
import { note } from './ask.ts'

const JOIN = 28934
const INVITE = 28935
const LEAVE = 28936
const WELCOME = 'info: welcome, you are a member of this relay now'
const FAREWELL = 'info: you are no member of this relay any more'

const test = suite<{
  relay: TestRelay
  operator: Person
  time: { ahead: number }
  clients: TestClient[]
  /** A connection that has authenticated, if somebody is named. */
  as(who?: Person): Promise<TestClient>
  boot(set?: string[]): Promise<void>
}>('membership')

test.before.each(context => {
  context.operator = person()
  context.time = { ahead: 0 }
  context.clients = []
  const clock: Clock = { now: () => Date.now() + context.time.ahead }
  context.boot = async (set = []) => {
    const { operator } = context
    context.relay = await startRelay({
      clock,
      set: ['plugins=["membership"]', `membership.operators=["${operator.pubkey}"]`, ...set],
    })
  }
  context.as = async who => {
    const client = await connect(context.relay.url)
    context.clients.push(client)
    if (who) await client.auth(who)
    return client
  }
})
test.after.each(async ({ clients, relay }) => {
  for (const client of clients) client.close()
  await relay.stop()
})

const join = (who: Person, code: string, more = {}) =>
  who.sign({ kind: JOIN, tags: [['-'], ['claim', code]], ...more })

/** The invite code that waits for this member. */
async function codeFor(client: TestClient): Promise<string> {
  const [invite] = await client.req('invite', { kinds: [INVITE] })
  return invite?.tags.find(tag => tag[0] === 'claim')?.[1] ?? ''
}

/** The member list, once it says what is wanted. */
async function listUntil(client: TestClient, fits: (tags: string[][]) => boolean): Promise<void> {
  const stored = await client.req('list', { kinds: [13534] })
  if (stored[0] && fits(stored[0].tags)) return
  await client.next(
    m => m[0] === 'EVENT' && m[1] === 'list' && fits((m[2] as { tags: string[][] }).tags),
    10_000,
  )
}

test('an invite lets one person in, who then writes, and stands in the signed list', async ({
  boot,
  as,
  operator,
}) => {
  await boot(['membership.roles.king.label="ruler"', 'membership.joinRoles=["king"]'])
  const [bob, eve] = [person(), person()]
  const [office, bobs, eves] = [await as(operator), await as(bob), await as(eve)]
  assert.match(
    (await bobs.publish(note('x', [], bob)))[1],
    /^restricted: only members write here, join with/,
  )
  const code = await codeFor(office)
  assert.match(code, /^[0-9a-f]{32}$/)
  assert.match((await bobs.publish(join(bob, 'guess')))[1], /^restricted: that is no invite code/)
  assert.equal(await bobs.publish(join(bob, code)), [true, WELCOME])
  assert.equal(await bobs.publish(note('x', [], bob)), [true, ''])
  assert.match(
    (await eves.publish(join(eve, code)))[1],
    /^restricted: that is no invite code/,
    'used up',
  )
  assert.equal(
    await bobs.publish(join(bob, code)),
    [true, 'duplicate: you are a member of this relay already'],
    'a member already',
  )
  await listUntil(office, tags => tags.some(tag => tag.join() === `member,${bob.pubkey},king`))
  const [added] = await office.req('added', { kinds: [8000], '#p': [bob.pubkey] })
  assert.equal(added?.tags[0], ['-'])
  const [role] = await office.req('role', { kinds: [33534], '#d': ['king'] })
  assert.ok(role?.tags.some(tag => tag.join() === 'label,ruler'))
  assert.is.not(await codeFor(office), code, 'the next invite waits')
  assert.not.equal(await codeFor(office), '')
})

test('two who claim one code at a time: one is let in', async ({ boot, as, operator }) => {
  await boot()
  const people = Array.from({ length: 6 }, () => person())
  const code = await codeFor(await as(operator))
  const clients = await Promise.all(people.map(who => as(who)))
  const answers = await Promise.all(
    clients.map((client, i) => client.publish(join(people[i] as Person, code))),
  )
  assert.is(answers.filter(([ok]) => ok).length, 1)
})

test('many who come at a time are no more than fit', async ({ boot, as }) => {
  await boot(['membership.codes=["poster"]', 'membership.maxMembers=3'])
  const people = Array.from({ length: 8 }, () => person())
  const clients = await Promise.all(people.map(who => as(who)))
  const answers = await Promise.all(
    clients.map((client, i) => client.publish(join(people[i] as Person, 'poster'))),
  )
  assert.is(answers.filter(([ok]) => ok).length, 3)
})

test('requests and their codes are shown to nobody, invites to whom they are for', async ({
  boot,
  as,
  operator,
}) => {
  await boot(['membership.codes=["poster"]'])
  const [bob, eve] = [person(), person()]
  const [bobs, eves, office, visitor] = [
    await as(bob),
    await as(eve),
    await as(operator),
    await as(),
  ]
  assert.equal(await eves.req('spy', { kinds: [JOIN, LEAVE, 1] }), [])
  assert.equal(await bobs.publish(join(bob, 'poster')), [true, WELCOME])
  assert.equal(await bobs.publish(note('after', [], bob)), [true, ''])
  const heard = await eves.next(m => m[0] === 'EVENT')
  assert.is((heard[2] as { kind: number }).kind, 1, 'the request was not passed on')
  assert.is.not(await codeFor(office), '')
  assert.is(await codeFor(eves), '')
  assert.is(await codeFor(bobs), '', 'members do not invite unless they may')
  assert.match(await codeFor(visitor).catch(error => error.message), /^auth-required:/)
  assert.not((await visitor.req('all', {})).some(event => event.kind === INVITE))
  eves.send(['COUNT', 'c', { kinds: [INVITE] }])
  assert.equal((await eves.next(m => m[0] === 'COUNT'))[2], { count: 0 })
})

test('who leaves writes no more; a leave request needs its "-" and its time', async ({
  boot,
  as,
}) => {
  await boot(['membership.codes=["poster"]', 'membership.invites="members"'])
  const bob = person()
  const client = await as(bob)
  await client.publish(join(bob, 'poster'))
  const code = await codeFor(client)
  assert.is.not(code, '')
  assert.match(
    (await client.publish(bob.sign({ kind: LEAVE })))[1],
    /^invalid: a leave request needs a "-"/,
  )
  assert.equal(await client.publish(note('x', [], bob)), [true, ''])
  assert.equal(await client.publish(bob.sign({ kind: LEAVE, tags: [['-']] })), [true, FAREWELL])
  assert.match((await client.publish(note('y', [], bob)))[1], /^restricted: only members/)
  assert.match(
    (await client.publish(join(bob, code)))[1],
    /^restricted: that is no invite code/,
    'went with its owner',
  )
  await listUntil(client, tags => tags.every(tag => tag[1] !== bob.pubkey))
  assert.is((await client.req('gone', { kinds: [8001], '#p': [bob.pubkey] })).length, 1)
})

test('a request in the name of another is not taken', async ({ boot, as }) => {
  await boot(['membership.codes=["poster"]'])
  const [bob, eve] = [person(), person()]
  const [bobs, eves] = [await as(bob), await as(eve)]
  await bobs.publish(join(bob, 'poster'))
  const leave = bob.sign({ kind: LEAVE, tags: [['-']] })
  assert.match((await eves.publish(leave))[1], /^restricted: this event is protected/)
  assert.equal(await bobs.publish(note('x', [], bob)), [true, ''])
})

test('an invite ends with its time', async ({ boot, as, operator, time }) => {
  await boot(['membership.inviteDays=1'])
  const bob = person()
  const code = await codeFor(await as(operator))
  const client = await as(bob)
  time.ahead = 86_400_000 + 1000
  const created_at = Math.floor((Date.now() + time.ahead) / 1000)
  assert.match((await client.publish(join(bob, code, { created_at })))[1], /^restricted: that/)
})

test('what the relay says of its members nobody else says', async ({ boot, as, operator }) => {
  await boot()
  const client = await as(operator)
  for (const kind of [8000, 8001, 13534, 28935, 33534]) {
    const event = operator.sign({ kind, tags: [['-'], ['d', 'x'], ['p', person().pubkey]] })
    assert.match(
      (await client.publish(event))[1],
      /^restricted: kind \d+ comes from the relay itself/,
    )
  }
})

test('operators add and remove members over HTTP, for a time; others do not', async context => {
  await context.boot(['membership.roles.king.order=1', 'membership.reads="members"'])
  const { relay, operator, time, as } = context
  const bob = person()
  const ask = (method: string, by: Person, body?: object) => {
    const url = `${relay.http}/api/v1/members/${bob.pubkey}`
    const text = body && JSON.stringify(body)
    const payload = text ? [['payload', createHash('sha256').update(text).digest('hex')]] : []
    const tags = [['u', url], ['method', method], ...payload]
    const event = Buffer.from(JSON.stringify(by.sign({ kind: 27235, tags }))).toString('base64')
    return fetch(url, { method, body: text, headers: { authorization: `Nostr ${event}` } })
  }
  const until = Math.floor(Date.now() / 1000) + 3600
  assert.is((await ask('PUT', bob, { until })).status, 403)
  assert.is(
    (await fetch(`${relay.http}/api/v1/members/${bob.pubkey}`, { method: 'DELETE' })).status,
    401,
  )
  assert.is((await ask('PUT', operator, { roles: ['queen'] })).status, 400)
  assert.is((await ask('DELETE', operator)).status, 404)
  const added = await ask('PUT', operator, { until, roles: ['king'] })
  assert.is(added.status, 200)
  assert.equal(((await added.json()) as { roles: string[] }).roles, ['king'])

  const [bobs, office] = [await as(bob), await as(operator)]
  assert.equal(await bobs.publish(note('x', [], bob)), [true, ''])
  assert.is((await bobs.req('live', { kinds: [1] })).length, 1)
  assert.is((await ask('DELETE', operator)).status, 200)
  assert.match((await bobs.publish(note('y', [], bob)))[1], /^restricted: only members/)
  assert.equal(await office.publish(note('for members', [], operator)), [true, ''])
  assert.match(
    await bobs.req('again', { kinds: [1] }).catch(e => e.message),
    /^restricted: only members read/,
  )
  assert.is(
    bobs.inbox.filter(m => m[0] === 'EVENT').length,
    0,
    'nor does an open subscription go on',
  )

  await ask('PUT', operator, { until })
  assert.equal(await bobs.publish(note('z', [], bob)), [true, ''])
  time.ahead = 3_601_000
  assert.match((await bobs.publish(note('late', [], bob)))[1], /^restricted: only members/)
})

test('NIP-11 says what it costs and who may write', async context => {
  await context.boot([
    'membership.fees.admission.amount=21000',
    'membership.fees.subscription.amount=1000',
    'membership.fees.subscription.period=2592000',
    'membership.paymentsUrl="https://pay.example.com"',
  ])
  const response = await fetch(context.relay.http, {
    headers: { accept: 'application/nostr+json' },
  })
  const info = (await response.json()) as Record<string, unknown> & { limitation: object }
  assert.equal(info.fees, {
    admission: [{ amount: 21000, unit: 'msats' }],
    subscription: [{ amount: 1000, unit: 'msats', period: 2592000 }],
  })
  assert.is(info.payments_url, 'https://pay.example.com')
  assert.ok((info.supported_nips as number[]).includes(43))
  assert.ok((info.supported_nips as number[]).includes(1))
  const { restricted_writes, payment_required, max_subid_length } = info.limitation as Record<
    string,
    unknown
  >
  assert.equal([restricted_writes, payment_required, max_subid_length], [true, true, 64])
  const client = await context.as()
  assert.match((await client.publish(note()))[1], /become one at https:\/\/pay.example.com/)
})

test('members are members after a restart, and a full relay takes no more', async context => {
  await context.boot(['membership.codes=["poster"]', 'membership.maxMembers=1'])
  const [bob, eve] = [person(), person()]
  const [bobs, eves] = [await context.as(bob), await context.as(eve)]
  assert.equal(await bobs.publish(join(bob, 'poster')), [true, WELCOME])
  assert.match((await eves.publish(join(eve, 'poster')))[1], /^restricted: this relay has as many/)
  await context.relay.relay.close()
  const again = await startRelay({
    dir: context.relay.dir,
    set: ['plugins=["membership"]', 'membership.codes=["poster"]'],
  })
  const { dir } = context.relay
  const stop = () => again.stop().then(() => rm(dir, { recursive: true }))
  context.relay = { ...again, stop }
  const client = await context.as(bob)
  assert.equal(await client.publish(note('x', [], bob)), [true, ''])
})

test.run()
