import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RelayRefused } from '../../client/errors.ts'
import { announcementTemplate } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import type { Session, SessionState } from '../../client/session.ts'
import { type Stream, streamBook } from '../../client/stream-book.ts'
import { viewer } from '../../client/viewer.ts'
import { kinds, tagValue } from '../../events/index.ts'
import { seller } from './seller.ts'
import { type WireServer, wireServer } from './wire-server.ts'

const self = new LocalSigner(generateSecret())
const me = new LocalSigner(generateSecret())
const host = new LocalSigner(generateSecret())
const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }

interface Context {
  server: WireServer
  relay: RelayClient
  stream: Stream
}
const test = suite<Context>('viewer')

test.before.each(async context => {
  const pubkey = await self.pubkey()
  context.server = await wireServer(pubkey)
  context.server.needsAuth = true
  context.relay = new RelayClient(context.server.url, { connect: connectNode, signer: me })
  const show = { d: 'show', status: 'live' as const, title: 'Show', price }
  const now = Math.floor(Date.now() / 1000)
  const book = streamBook(pubkey)
  book.add(await host.sign(announcementTemplate(show, now)))
  context.stream = book.list(now)[0] as Stream
})
test.after.each(async ({ server, relay }) => {
  relay.close()
  await server.close()
})

async function open({ relay, stream }: Context, budget?: bigint) {
  const states: SessionState[] = []
  const session: Session = await viewer(relay, await self.pubkey()).open(stream, {
    everySeconds: 0.05,
    ...(budget === undefined ? {} : { budget }),
    onChange: state => states.push(state),
  })
  return { session, states }
}

async function until(condition: () => boolean, ms = 3000): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (condition()) return
  assert.unreachable(`it did not happen in ${ms} ms`)
}

const totals = ({ server }: Context): string[] =>
  server.received
    .filter(({ kind }) => kind === kinds.StreamMoney)
    .map(event => tagValue(event, 'total_sent') ?? '')

test('a session pays its buffer at once, gets a grant, and tops up as time passes', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context)
  assert.is(session.state.phase, 'open')
  assert.equal(totals(context), [], 'nothing is paid before pay()')
  session.pay()
  await until(() => session.state.grant !== undefined)
  assert.is(session.state.totalReceived, 120n)
  assert.is(session.state.grant?.token, 'token-120')
  await until(() => session.state.totalReceived > 120n)
  assert.ok(session.state.totalReceived < 150n, 'only what time used up is paid again')
  await session.close()
})

test('totals never fall and sequences grow', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context)
  session.pay()
  await until(() => totals(context).length >= 4)
  session.pause()
  const money = context.server.received.filter(({ kind }) => kind === kinds.StreamMoney)
  for (let index = 1; index < money.length; index += 1) {
    const [before, after] = [money[index - 1], money[index]]
    for (const name of ['sequence', 'total_sent'])
      assert.ok(
        BigInt(tagValue(before ?? { tags: [] }, name) ?? 0) <
          BigInt(tagValue(after ?? { tags: [] }, name) ?? 0),
      )
  }
  await session.close()
})

test('never more than the budget is promised', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context, 125n)
  const asked = context.server.received.find(({ kind }) => kind === kinds.StreamOpen)
  assert.is(asked && tagValue(asked, 'max_total'), '125')
  session.pay()
  await until(() => session.state.totalReceived === 125n)
  await sleep(200)
  assert.is(totals(context).at(-1), '125')
  await session.close()
})

test('at the payee’s limit the viewer asks for more, and goes on', async context => {
  seller(context.server, self, { balance: 10_000n, limit: 121n })
  const { session, states } = await open(context)
  session.pay()
  await until(() => session.state.totalReceived > 125n)
  assert.not(states.some(({ phase }) => phase === 'blocked'))
  await session.close()
})

test('a balance below the buffer is used as far as it goes; then the relay’s sentence is shown', async context => {
  const settings = { balance: 50n }
  seller(context.server, self, settings)
  const { session } = await open(context)
  session.pay()
  await until(() => session.state.totalReceived > 0n)
  assert.is(session.state.phase, 'paying')
  await until(() => session.state.phase === 'blocked', 8000)
  assert.is(session.state.problem, 'Your balance is used up.')
  assert.ok(session.state.totalReceived > 25n, 'most of it was used')
  settings.balance = 500n
  session.pay()
  await until(() => session.state.totalReceived >= 120n)
  assert.is(session.state.problem, undefined)
  await session.close()
})

test('close tells the relay and forgets the grant', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session, states } = await open(context)
  session.pay()
  await until(() => session.state.grant !== undefined)
  await session.close()
  assert.is(session.state.phase, 'closed')
  assert.is(session.state.grant, undefined)
  assert.is(states.at(-1)?.phase, 'closed')
  assert.is(session.state.totalReceived, 60n, 'what the payee keeps')
  const close = context.server.received.find(({ kind }) => kind === kinds.StreamClose)
  assert.is(close && tagValue(close, 'reason'), 'cancelled')
  const before = totals(context).length
  await sleep(150)
  assert.is(totals(context).length, before, 'a closed session pays nothing')
})

test('the relay’s own close ends the session with its reason', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context)
  session.pay()
  await until(() => session.state.grant !== undefined)
  context.server.put(
    await self.sign({
      kind: kinds.StreamClose,
      created_at: Math.floor(Date.now() / 1000),
      tags: [
        ['e', session.id, '', 'open'],
        ['p', await me.pubkey()],
        ['reason', 'complete'],
      ],
      content: 'The stream has ended.',
    }),
  )
  await until(() => session.state.phase === 'closed')
  assert.is(session.state.problem, 'The stream has ended.')
})

test('a refused 5610 is the relay’s sentence', async context => {
  context.server.onEvent = () => 'restricted: this stream has ended'
  try {
    await open(context)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RelayRefused)
    assert.is((error as Error).message, 'This stream has ended.')
  }
})

test('a session goes on through a lost connection', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context)
  session.pay()
  await until(() => session.state.grant !== undefined)
  context.server.drop()
  const before = session.state.totalReceived
  await until(() => session.state.totalReceived > before, 6000)
  await session.close()
})

test('after a reload the open session is taken up where it was', async context => {
  seller(context.server, self, { balance: 10_000n })
  const first = await open(context)
  first.session.pay()
  await until(() => first.session.state.grant !== undefined)
  first.session.leave()
  const second = await open(context)
  assert.is(second.session.id, first.session.id)
  await until(() => second.session.state.totalReceived >= 120n)
  await second.session.close()
  const third = await open(context)
  assert.is.not(third.session.id, first.session.id, 'a closed session is not taken up')
  await third.session.close()
})

test('a stranger’s receipt counts nothing', async context => {
  seller(context.server, self, { balance: 10_000n })
  const { session } = await open(context)
  context.server.put(
    await host.sign({
      kind: kinds.StreamReceipt,
      created_at: Math.floor(Date.now() / 1000),
      tags: [
        ['e', session.id, '', 'open'],
        ['p', await me.pubkey()],
        ['sequence', '9'],
        ['total_received', '999'],
      ],
      content: '',
    }),
  )
  await sleep(100)
  assert.is(session.state.totalReceived, 0n)
  await session.close()
})

test.run()
