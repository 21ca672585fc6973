import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RelayRefused, RelayTimeout, SluiceError } from '../../client/errors.ts'
import { host } from '../../client/host.ts'
import { credited, hostAccount, unused } from '../../client/host-account.ts'
import { type Claim, type HostAgentOptions, hostAgent } from '../../client/host-agent.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { openManually } from '../../client/manual-session.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { SessionState } from '../../client/session.ts'
import { streamBook } from '../../client/stream-book.ts'
import { streamMoneyTemplate } from '../../client/templates.ts'
import { viewer } from '../../client/viewer.ts'
import {
  type EventTemplate,
  kinds,
  type Price,
  streamReceiptTemplate,
  tagValue,
} from '../../events/index.ts'
import { startRelay, type TestRelay } from '../harness.ts'

const price: Price = { amount: 10n, unit: 'second', asset: 'SAT' }

interface Context {
  relay: TestRelay
  self: string
  streamer: RelayClient
  watcher: RelayClient
}
const test = suite<Context>('a host agent')
test.before(async context => {
  context.relay = await startRelay({ set: ['paymentStream.ownPayee=true'] })
  context.self = (await relayInfo(context.relay.url)).self
  const client = () =>
    new RelayClient(context.relay.url, {
      connect: connectNode,
      signer: new LocalSigner(generateSecret()),
    })
  context.streamer = client()
  context.watcher = client()
})
test.after(async ({ relay, streamer, watcher }) => {
  streamer.close()
  watcher.close()
  await relay.stop()
})

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(10)) if (condition()) return
  assert.unreachable(`${what} did not happen`)
}

/** A stream whose host is its payee, as its viewer finds it. */
async function stream({ streamer, watcher, self }: Context, d: string) {
  const payee = await streamer.signer.pubkey()
  const address = await host(streamer, self).announce({
    ...{ d, status: 'planned', title: 'Own till', price, payee },
  })
  const book = streamBook(self)
  for (const event of await watcher.query([{ kinds: [kinds.LiveStream], '#d': [d] }]))
    book.add(event)
  const found = book.get(address, Date.now() / 1000)
  assert.is(found?.payee, payee)
  if (!found) throw new Error('the stream is not there')
  return found
}

test('a viewer pays the host, who signs receipts; the relay opens the stream on them; an agent that comes back goes on', async context => {
  const { streamer, watcher, self, relay } = context
  const found = await stream(context, 'till')
  const claims: Claim[] = []
  const closed: { received: bigint; unused: bigint }[] = []
  let purse = 10_000n
  const options: HostAgentOptions = {
    ...{ address: found.address, price },
    async collect(claim) {
      if (claim.amount > purse) throw new SluiceError('The purse is empty.')
      claims.push(claim)
      purse -= claim.amount
      return claim.amount
    },
    onClose: account => void closed.push(account),
  }
  const first = await hostAgent(streamer, options)
  const states: SessionState[] = []
  const last = () => states.at(-1)
  const session = await viewer(watcher, self).open(found, {
    ...{ bufferSeconds: 20, everySeconds: 1 },
    onChange: state => void states.push(state),
  })
  assert.is(last()?.grant, undefined)
  session.pay()
  await until(() => last()?.grant !== undefined, 'the first grant')
  assert.is(claims[0]?.amount, 200n)
  const grant = last()?.grant
  const paidUntil = last()?.paidUntil ?? 0
  assert.ok((grant?.expiresAt ?? 0) <= paidUntil, 'no grant beyond the receipt')
  // The gateway lets it through to the media, which has not begun; without a grant it says 402.
  assert.is((await fetch(grant?.playbackUrl ?? '')).status, 404)
  assert.is((await fetch(found.playbackUrl ?? `${relay.http}/p/x/master.m3u8`)).status, 401)

  // The agent goes away in the middle and comes back: what stands at the relay is enough.
  first.close()
  const before = last()?.totalReceived ?? 0n
  await sleep(1500)
  const second = await hostAgent(streamer, options)
  await until(() => (last()?.totalReceived ?? 0n) > before, 'a receipt by the second agent')
  const sequences = claims.map(claim => claim.sequence)
  assert.is(new Set(sequences).size, sequences.length, 'each payment is collected once')

  // The viewer's problem is the host's sentence.
  purse = 0n
  await session.close()
  await until(() => closed.length === 1, 'the host’s account')
  const [account] = closed
  assert.is(last()?.totalReceived, (account?.received ?? 0n) - (account?.unused ?? 0n))
  assert.ok((account?.unused ?? 0n) > 0n)
  assert.is((await fetch(grant?.playbackUrl ?? '')).status, 402)
  second.close()
})

test('the host ends a session, and what it cannot collect opens nothing', async context => {
  const { streamer, watcher, self } = context
  const found = await stream(context, 'poor')
  const agent = await hostAgent(streamer, {
    ...{ address: found.address, price },
    collect: () => Promise.reject(new SluiceError('This token was spent before.')),
  })
  const states: SessionState[] = []
  const session = await viewer(watcher, self).open(found, {
    onChange: state => void states.push(state),
  })
  session.pay()
  const flows = { kinds: [kinds.StreamFlowControl], '#e': [session.id] }
  for (const end = Date.now() + 15_000; ; await sleep(50)) {
    const [flow] = await watcher.query([flows])
    if (flow?.tags.some(tag => tag[0] === 'blocked' && tag[1] === 'This token was spent before.'))
      break
    if (Date.now() > end) assert.unreachable('the viewer was not told')
  }
  assert.is(states.at(-1)?.grant, undefined)
  await agent.end(session.id, 'the show is over')
  await until(() => states.at(-1)?.phase === 'closed', 'the end')
  assert.is(states.at(-1)?.problem, 'the show is over')
  agent.close()
})

for (const arrives of [true, false])
  test(`a receipt whose outcome is unknown (it ${arrives ? 'arrived' : 'was lost'}) costs the viewer nothing: the next one makes it good`, async context => {
    const { streamer, watcher, self } = context
    const found = await stream(context, `lossy-${arrives}`)
    const amounts: bigint[] = []
    let lost = false
    const lossy = new Proxy(streamer, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name !== 'send') return typeof value === 'function' ? value.bind(target) : value
        return async (template: EventTemplate) => {
          if (lost || template.kind !== kinds.StreamReceipt) return target.send(template)
          if (arrives) await target.send(template)
          lost = true
          throw new RelayTimeout()
        }
      },
    })
    const agent = await hostAgent(lossy, {
      ...{ address: found.address, price },
      async collect({ amount }) {
        amounts.push(amount)
        return amount
      },
    })
    const { id, open } = await openManually(watcher, self, found)
    const pay = (sequence: bigint, totalSent: bigint) =>
      watcher.send(
        streamMoneyTemplate({
          ...{ session: id, streamId: open.streamId, payee: open.payee, address: found.address },
          ...{ sequence, totalSent, createdAt: Math.floor(Date.now() / 1000) },
        }),
      )
    await pay(1n, 100n)
    await until(() => lost, 'the loss')
    await pay(2n, 150n)
    const filter = { kinds: [kinds.StreamReceipt], '#e': [id], '#p': [open.viewer] }
    for (const end = Date.now() + 15_000; ; await sleep(20)) {
      const [receipt] = await watcher.query([filter])
      if (receipt && tagValue(receipt, 'total_received') === '150') break
      if (Date.now() > end) assert.unreachable('there is no receipt for all of it')
    }
    assert.equal(amounts, [100n, 50n], 'each amount is collected once')
    agent.close()
  })

test('nobody but the host gives receipts in its sessions', async context => {
  const { watcher, self, streamer } = context
  const found = await stream(context, 'forged')
  const agent = await hostAgent(streamer, {
    ...{ address: found.address, price },
    collect: () => new Promise(() => undefined),
  })
  const session = await viewer(watcher, self).open(found, { onChange: () => undefined })
  const me = await watcher.signer.pubkey()
  const forged = streamReceiptTemplate(
    {
      ...{ money: '1'.repeat(64), session: session.id, streamId: 'x', viewer: me },
      ...{ sequence: 1n, received: 1n, totalReceived: 1n, paidUntil: 2_000_000_000 },
    },
    Math.floor(Date.now() / 1000),
  )
  const refusal = await watcher.send(forged).catch(error => error)
  assert.instance(refusal, RelayRefused)
  assert.is(refusal.message, 'Kind 5613 comes from the payee, its host.')
  session.leave()
  agent.close()
})

test('an account floors once, begins anew after a lapse, and knows what was not used', () => {
  const open = { id: 'x', viewer: 'v', streamId: 's', purpose: 'video_access' as const }
  const rate = { amount: 3n, unit: 'second' as const }
  let account = hostAccount(open, { maxReceive: 100n })
  account = credited(account, { amount: 1n, sequence: 1n }, rate, 1_000_000)
  account = credited(account, { amount: 1n, sequence: 2n }, rate, 1_000_100)
  account = credited(account, { amount: 1n, sequence: 3n }, rate, 1_000_200)
  // due(t) <= 3 at 3 a second: up to 1333 ms, not three times 666.
  assert.is(account.paidUntil, 1_001_333)
  assert.is(unused(account, rate, 1_000_333), 3n)
  assert.is(unused(account, rate, 1_001_000), 0n)
  account = credited(account, { amount: 30n, sequence: 4n }, rate, 2_000_000)
  assert.is(account.paidUntil, 2_010_333)
  assert.is(unused(account, rate, 2_000_000), 30n)
  const tip = hostAccount({ ...open, purpose: 'tip' }, { maxReceive: 100n })
  assert.is(unused(credited(tip, { amount: 5n, sequence: 1n }, rate, 7), rate, 7), 0n)
})

test.run()
