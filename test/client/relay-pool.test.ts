import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { RelayRefused, RelayTimeout } from '../../client/errors.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayPool } from '../../client/relay-pool.ts'
import { kinds, type NostrEvent } from '../../events/index.ts'
import { until } from './until.ts'
import { type WireServer, wireServer } from './wire-server.ts'

/** Three relays: two that answer, and one that is dead. */
const DEAD = 'ws://127.0.0.1:9/'
const self = new LocalSigner(generateSecret())
const me = new LocalSigner(generateSecret())
const test = suite<{ a: WireServer; b: WireServer; pool: RelayPool }>('relay pool')

test.before.each(async context => {
  context.a = await wireServer(await self.pubkey())
  context.b = await wireServer('')
  const relays = [
    { url: DEAD },
    { url: context.a.url, self: await self.pubkey() },
    { url: context.b.url },
  ]
  context.pool = new RelayPool(relays, { connect: connectNode, signer: me, timeoutMs: 3_000 })
  await until(() => context.pool.status === 'open')
})
test.after.each(async ({ a, b, pool }) => {
  pool.close()
  await Promise.all([a.close(), b.close()])
})

const note = (content: string, tags: string[][] = [], kind = 1): Promise<NostrEvent> =>
  me.sign({ kind, created_at: Math.floor(Date.now() / 1000), tags, content })

test('what is published goes to all that live; the dead one is not waited for', async ({
  a,
  b,
  pool,
}) => {
  const event = await note('to all')
  await pool.publish(event)
  await until(() => a.stored.length === 1 && b.stored.length === 1)
  assert.is(a.stored[0]?.id, event.id)
})

test('one relay’s refusal is no refusal; that of all is, with its reason', async ({
  a,
  b,
  pool,
}) => {
  a.onEvent = () => 'blocked: not here'
  await pool.publish(await note('one says no'))
  b.onEvent = () => 'blocked: nor here'
  try {
    await pool.publish(await note('all say no'))
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayRefused)
    assert.match((error as Error).message, /here\.$/)
  }
})

test('reads are merged, each event once, newest first', async ({ a, b, pool }) => {
  const at = (created_at: number) =>
    me.sign({ kind: 1, created_at, tags: [], content: `${created_at}` })
  const [first, second, third] = await Promise.all([at(1), at(2), at(3)])
  a.put(first)
  a.put(second)
  b.put(second)
  b.put(third)
  const found = await pool.query([{ kinds: [1] }])
  assert.equal(
    found.map(({ content }) => content),
    ['3', '2', '1'],
  )

  const live: string[] = []
  let eoses = 0
  pool.subscribe([{ kinds: [1] }], {
    onEvent: event => live.push(event.content),
    onEose: () => {
      eoses += 1
    },
  })
  await until(() => eoses === 1)
  const fresh = await note('fresh')
  a.put(fresh)
  b.put(fresh)
  await until(() => live.includes('fresh'))
  await sleep(50)
  assert.is(live.filter(text => text === 'fresh').length, 1)
  assert.is(eoses, 1)
})

test('one relay that refuses a read leaves the others’ answers', async ({ a, b, pool }) => {
  b.put(await note('there'))
  a.refuseReads = 'restricted: not for you'
  assert.is((await pool.query([{ kinds: [1] }])).length, 1)
  b.refuseReads = 'restricted: not for you either'
  try {
    await pool.query([{ kinds: [1] }])
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayRefused)
  }
})

test('a relay that goes and comes back misses nothing that others had, and is used again', async ({
  a,
  b,
  pool,
}) => {
  const address = `${kinds.LiveStream}:${await me.pubkey()}:show`
  const heard: Said[] = []
  const room = chat(pool, [address])
  room.listen(said => heard.push(said))
  a.drop()
  await room.say('while one is away')
  await until(() => heard.length === 1)
  assert.is(pool.status, 'open')
  await until(() => a.stored.length === 1)
  await room.say('both again')
  await until(() => a.stored.length === 2 && b.stored.length === 2)
  await until(() => heard.length === 2)
})

test('a payment goes to its payee’s relay alone, and only that one’s answer counts', async ({
  a,
  b,
  pool,
}) => {
  const tags = [['p', await self.pubkey()]]
  await pool.publish(await note('', tags, kinds.StreamMoney))
  assert.is(a.received.length, 1)
  a.onEvent = () => 'restricted: the balance is too low'
  try {
    await pool.publish(await note('again', tags, kinds.StreamMoney))
    assert.unreachable('another relay’s OK is no payment')
  } catch (error) {
    assert.is((error as Error).message, 'The balance is too low.')
  }
  // A host that is its own payee is paid by way of the relay that sells its stream.
  a.onEvent = () => undefined
  await pool.publish(await note('', [['p', 'f'.repeat(64)]], kinds.StreamMoney))
  assert.is(a.received.length, 3)
  assert.is(b.received.length, 0)
})

test('with every relay silent it is a timeout, in a sentence', async ({ a, b, pool }) => {
  a.silent = true
  b.silent = true
  for (const work of [pool.publish(await note('x')), pool.query([{ kinds: [1] }])])
    try {
      await work
      assert.unreachable()
    } catch (error) {
      assert.instance(error, RelayTimeout)
    }
})

test.run()
