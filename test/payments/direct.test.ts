import fc from 'fast-check'
import { npubEncode } from 'nostr-tools/nip19'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type EventTemplate,
  kinds,
  type NostrEvent,
  paidMs,
  streamAcceptTemplate,
  streamCloseTemplate,
  streamFlowControlTemplate,
  streamReceiptTemplate,
  tagValue,
} from '../../events/index.ts'
import { stopped, wentLive } from '../../plugins/live-stream/lifecycle.ts'
import { type LiveStream, streamClock } from '../../plugins/live-stream/stream.ts'
import { accessOf, isWatching } from '../../plugins/payment-stream/access.ts'
import { forgetter } from '../../plugins/payment-stream/close.ts'
import { sharesOf } from '../../plugins/payment-stream/desk.ts'
import { direct } from '../../plugins/payment-stream/direct/index.ts'
import { TOLERANCE_SECONDS } from '../../plugins/payment-stream/direct/rules.ts'
import { directSessions } from '../../plugins/payment-stream/direct/session.ts'
import { opener } from '../../plugins/payment-stream/open.ts'
import { paymentOptions } from '../../plugins/payment-stream/options.ts'
import type { Store } from '../../plugins/plugin.ts'
import { unsigned } from '../relay/naive.ts'
import { heard, liveStream, openStore, payee, SELF, saveStream, viewerOf } from './bench.ts'

const test = suite<ReturnType<typeof openStore>>('a host as its own payee')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(context => context.close())

const rate = { amount: 10n, unit: 'second' } as const

/** A live stream at 10 a second, its host, its viewer, and the relay between them. */
async function scene(store: Store, n = 1, options: Record<string, unknown> = { ownPayee: true }) {
  const hex = (tail: string) => tail + n.toString(16).padStart(60, '0')
  const [creator, viewer, outsider] = [hex('aaaa'), hex('bbbb'), hex('cccc')]
  let stream = liveStream(creator, rate)
  await saveStream(store, stream)
  const { desk, time, ctx } = payee(store, options)
  const relay = direct(desk)
  const open = opener(desk)
  const me = viewerOf(viewer, stream, time)
  const opening = me.open(rate, [['p', creator]], ['p'])
  const id = opening.id
  const by = (author: string, template: EventTemplate) => unsigned({ ...template, pubkey: author })
  const seconds = () => Math.floor(time.now / 1000)
  const common = {
    session: id,
    streamId: tagValue(opening, 'stream_id') ?? '',
    viewer,
    address: stream.address,
  }
  const voucher = (sequence: bigint, total: bigint, more: string[][] = []): NostrEvent => {
    const event = me.voucher(id, sequence, total, more)
    const tags = event.tags.map(tag => (tag[0] === 'p' ? ['p', creator] : tag))
    return unsigned({ ...event, tags })
  }
  const accept = (author = creator, more = {}) =>
    by(
      author,
      streamAcceptTemplate(
        {
          ...common,
          status: 'accepted',
          asset: 'CREDIT',
          scale: 0,
          maxReceive: 1000n,
          freePreviewSeconds: 0,
          rails: [],
          message: '',
          ...more,
        },
        seconds(),
      ),
    )
  const receipt = (
    money: NostrEvent,
    says: { received: bigint; total: bigint; paidUntil: number },
    author = creator,
  ) =>
    by(
      author,
      streamReceiptTemplate(
        {
          ...common,
          money: money.id,
          sequence: BigInt(tagValue(money, 'sequence') ?? 0),
          received: says.received,
          totalReceived: says.total,
          paidUntil: says.paidUntil,
        },
        seconds(),
      ),
    )
  const close = (author: string, to: string) =>
    by(
      author,
      streamCloseTemplate(
        { ...common, to, reason: 'complete', finalSent: 0n, finalReceived: 0n },
        seconds(),
      ),
    )
  const flow = (maxReceive: bigint, currentOffset: bigint, author = creator) =>
    by(
      author,
      streamFlowControlTemplate({ ...common, maxReceive, currentOffset, rails: [] }, seconds()),
    )
  const says =
    (handler: (event: NostrEvent) => Promise<Parameters<typeof heard>[0]>) =>
    async (event: NostrEvent): Promise<string> =>
      heard(await handler(event))
  return {
    ...{ creator, viewer, outsider, time, id, desk, me, seconds, opening },
    ...{ voucher, accept, receipt, close, flow },
    open: async (event = opening) => heard(await open(event, ctx)),
    takes: {
      accept: says(relay.accept),
      money: says(relay.money),
      receipt: says(relay.receipt),
      flow: says(relay.flow),
      close: says(relay.close),
    },
    review: () => relay.review({ key: id }),
    session: () => directSessions.get(store, id),
    stream: () => stream,
    async move(next: LiveStream) {
      stream = next
      await saveStream(store, stream)
    },
    serves: async (at: number) => (await accessOf(store, id))?.serves(stream, at, at).ok ?? false,
  }
}

test('only a host whom the operator lets may be the payee, and only for its own stream', async ({
  store,
}) => {
  const sentence = `restricted: payments here go to the relay, name ${SELF} in p`
  assert.is(await (await scene(store, 1, {})).open(), sentence)
  const { open, me, outsider } = await scene(store, 2)
  assert.is(await open(me.open(rate, [['p', outsider]], ['p'])), sentence)
  assert.is(await open(), 'ok')

  const third = await scene(store, 3, { ownPayee: true, hosts: {} })
  const npub = npubEncode(third.creator)
  assert.is(await (await scene(store, 3, { hosts: { [npub]: { ownPayee: true } } })).open(), 'ok')
  const not = await scene(store, 4, { ownPayee: true, hosts: { [npub]: { ownPayee: false } } })
  assert.is(await not.open(), 'ok')
  assert.is(await third.open(), 'ok')
  const wrong = paymentOptions.safeParse({ hosts: { nobody: {} } })
  assert.is(
    wrong.error?.issues[0]?.message,
    '"nobody" is neither an npub nor a pubkey of 64 lowercase hex',
  )
})

test('a host has the split that was made with it, everybody else the common one', async ({
  store,
}) => {
  const creator = 'a'.repeat(64)
  const terms = { split: { creator: 9500, relay: 0, transcoder: 300, protocol: 200 } }
  const { desk } = payee(store, { hosts: { [npubEncode(creator)]: terms } })
  const parts = (host: string) => sharesOf(desk, host).map(({ bp }) => bp)
  assert.equal(parts(creator), [9500, 0, 300, 200])
  assert.equal(parts('b'.repeat(64)), [9000, 500, 300, 200])
  const off = paymentOptions.safeParse({
    hosts: { [npubEncode(creator)]: { split: { creator: 1 } } },
  })
  assert.is(off.error?.issues[0]?.message, 'needs shares that sum to 10000 basis points')
})

test('session, payment, receipt: the stream is open for what the receipt says, and no longer', async ({
  store,
}) => {
  const { open, takes, voucher, accept, receipt, serves, time, seconds, ...rest } =
    await scene(store)
  const { creator, viewer, outsider, session, flow } = rest
  await open()
  const first = voucher(1n, 100n)
  assert.is(await takes.money(first), 'restricted: the host has not accepted this session yet')
  assert.is(
    await takes.accept(accept(outsider)),
    'restricted: the accept of this session comes from its payee',
  )
  assert.is(
    await takes.accept(accept(creator, { asset: 'SAT' })),
    'invalid: this session is paid in CREDIT, not in SAT',
  )
  assert.is(await takes.accept(accept()), 'ok')
  assert.is(await takes.accept(accept()), 'invalid: this session is accepted already')
  assert.is(await takes.money(first), 'ok')
  assert.not(await serves(time.now), 'no grant without a receipt')

  const fair = { received: 100n, total: 100n, paidUntil: seconds() + 10 }
  const steps: [NostrEvent, string | RegExp][] = [
    [receipt(first, fair, viewer), 'restricted: the receipt of this session comes from its payee'],
    [receipt(voucher(9n, 100n), fair), 'invalid: this receipt answers no payment of this session'],
    [
      receipt(first, { ...fair, received: 101n, total: 101n }),
      'invalid: the viewer signed 100, 101 cannot be received',
    ],
    [
      receipt(first, { ...fair, total: 99n }),
      'invalid: 0 was received before, with 100 more that is not 99',
    ],
    [
      receipt(first, { ...fair, paidUntil: seconds() + 17 }),
      /^invalid: 100 in all buys time up to \d+, not up to \d+$/,
    ],
    [receipt(first, fair), 'ok'],
    [receipt(first, fair), 'invalid: sequence 1 has its receipt, 1 is the newest'],
  ]
  for (const [event, said] of steps)
    if (typeof said === 'string') assert.is(await takes.receipt(event), said)
    else assert.match(await takes.receipt(event), said)
  assert.ok(await serves(time.now + 9_999))
  assert.not(await serves(time.now + 10_000), 'no grace in the host’s name')

  const money: [NostrEvent, string | RegExp][] = [
    [first, /^ok duplicate: already settled, receipt [0-9a-f]{64}$/],
    [voucher(1n, 100n), /^ok duplicate: already settled/],
    [voucher(1n, 101n), 'invalid: sequence 1 was used for another promise, use a higher one'],
    [voucher(0n, 101n), 'invalid: sequence 0 is too old, 1 is taken'],
    [voucher(2n, 99n), 'invalid: total_sent falls from 100 to 99'],
    [voucher(2n, 1001n), 'restricted: the host takes up to 1000 in all for now, this makes 1001'],
  ]
  for (const [event, said] of money)
    if (typeof said === 'string') assert.is(await takes.money(event), said)
    else assert.match(await takes.money(event), said)
  assert.is(await takes.flow(flow(2000n, 99n)), 'invalid: current_offset is 99, received is 100')
  assert.is(await takes.flow(flow(2000n, 100n)), 'ok')
  assert.is(await takes.money(voucher(2n, 1001n)), 'ok')
  assert.is((await session())?.received, 100n)
})

test('either side closes; then nothing is open, and each gives its account once', async ({
  store,
}) => {
  const { open, takes, voucher, accept, receipt, serves, close, time, seconds, ...rest } =
    await scene(store)
  const { creator, viewer, outsider, id, desk } = rest
  await open()
  await takes.accept(accept())
  const first = voucher(1n, 100n)
  await takes.money(first)
  await takes.receipt(receipt(first, { received: 100n, total: 100n, paidUntil: seconds() + 10 }))
  assert.ok(await serves(time.now))
  assert.is(
    await takes.close(close(outsider, viewer)),
    'restricted: only the parties of a session close it',
  )
  assert.is(await takes.close(close(viewer, creator)), 'ok')
  assert.not(await serves(time.now))
  assert.match(await takes.close(close(viewer, creator)), /^ok duplicate: this session is closed/)
  assert.is(await takes.close(close(creator, viewer)), 'ok')
  assert.is(await takes.money(voucher(2n, 200n)), 'restricted: this session is closed')
  await forgetter(desk)({ key: id })
  assert.equal(await store.events([{ kinds: [5610, 5611, 5612, 5613, 5614, 5615] }]), [])
  assert.is(await takes.money(voucher(2n, 200n)), 'invalid: this names no session of this relay')
})

test('a session is over with its stream, or when nothing is said in it for long', async ({
  store,
}) => {
  const [ended, idle] = [await scene(store, 1), await scene(store, 2)]
  for (const one of [ended, idle]) {
    await one.open()
    await one.takes.accept(one.accept())
    await one.review()
    assert.is((await one.session())?.status, 'open')
  }
  await ended.move({ ...ended.stream(), status: 'ended' })
  await ended.review()
  assert.is((await ended.session())?.status, 'closed')
  idle.time.now += 600_000
  await idle.review()
  assert.is((await idle.session())?.status, 'closed')
})

test('time in which the stream stands is not used up: the next receipt may give it back', async ({
  store,
}) => {
  const { open, takes, voucher, accept, receipt, move, stream, time, seconds } = await scene(store)
  await open()
  await takes.accept(accept())
  const [first, second] = [voucher(1n, 100n), voucher(2n, 100n)]
  await takes.money(first)
  const begun = seconds()
  await takes.receipt(receipt(first, { received: 100n, total: 100n, paidUntil: begun + 10 }))
  time.now += 4_000
  await move(stopped(stream(), time.now))
  time.now += 60_000
  await move(wentLive(stream(), time.now))
  await takes.money(second)
  const until = (more: number) =>
    receipt(second, { received: 0n, total: 100n, paidUntil: seconds() + more })
  assert.match(await takes.receipt(until(12 + TOLERANCE_SECONDS)), /buys time up to/)
  assert.is(await takes.receipt(until(6)), 'ok')
})

/** What the three of them may do, in any order; `greed` is what a host asks beyond what it may. */
const deed = fc.oneof(
  fc.record({ op: fc.constant('pay'), amount: fc.bigInt({ min: 0n, max: 90n }), gap: fc.nat(2) }),
  fc.record({
    op: fc.constant('receipt'),
    which: fc.nat(5),
    amount: fc.bigInt({ min: 0n, max: 120n }),
    seconds: fc.integer({ min: -5, max: 40 }),
    author: fc.constantFrom('host', 'host', 'host', 'viewer', 'outsider'),
  }),
  fc.record({ op: fc.constant('wait'), ms: fc.nat(9000) }),
  fc.record({ op: fc.constant('jump'), ms: fc.integer({ min: -3000, max: 3000 }) }),
  fc.record({ op: fc.constant('stop') }),
  fc.record({ op: fc.constant('start') }),
  fc.record({ op: fc.constant('close'), author: fc.constantFrom('host', 'viewer', 'outsider') }),
  fc.record({ op: fc.constant('again'), which: fc.nat(20) }),
)

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

test(`SEED=${seed}: nothing is open without the host’s receipt, nor beyond it, nor beyond what was signed`, async ({
  store,
}) => {
  let n = 0
  const deeds = fc.array(deed, { minLength: 5, maxLength: 30, size: 'max' })
  await fc.assert(
    fc.asyncProperty(deeds, async steps => {
      const at = await scene(store, n++)
      await at.open()
      await at.takes.accept(at.accept())
      const who = { host: at.creator, viewer: at.viewer, outsider: at.outsider }
      const sent: NostrEvent[] = []
      const said: [take: (event: NostrEvent) => Promise<string>, event: NostrEvent][] = []
      let [sequence, promised, until, setBack, opened] = [0n, 0n, 0, 0, 0]
      let peak = 0
      const taken = new Set<string>()
      for (const step of steps) {
        const before = streamClock(at.stream(), at.time.now)
        if (step.op === 'pay') {
          sequence += 1n + BigInt(step.gap)
          const money = at.voucher(sequence, promised + step.amount)
          if ((await at.takes.money(money)) === 'ok') promised += step.amount
          sent.push(money)
          said.push([at.takes.money, money])
        } else if (step.op === 'receipt') {
          const money = sent.at(-1 - (step.which % Math.max(1, sent.length)))
          const { received = 0n } = (await at.session()) ?? {}
          if (!money) continue
          const paidUntil = at.seconds() + step.seconds
          const total = received + step.amount
          const event = at.receipt(
            money,
            { received: step.amount, total, paidUntil },
            who[step.author],
          )
          const answer = await at.takes.receipt(event)
          said.push([at.takes.receipt, event])
          if (answer !== 'ok') continue
          assert.is(step.author, 'host')
          taken.add(event.id)
          until = paidUntil
        } else if (step.op === 'wait' || step.op === 'jump') {
          if (step.op === 'wait' && (await at.serves(at.time.now))) {
            const end = Math.min(at.time.now + step.ms, until * 1000)
            const from = Math.max(peak, streamClock(at.stream(), at.time.now))
            opened += Math.max(0, streamClock(at.stream(), end) - from)
          }
          at.time.now += step.ms
        } else if (step.op === 'stop') await at.move(stopped(at.stream(), at.time.now))
        else if (step.op === 'start') await at.move(wentLive(at.stream(), at.time.now))
        else if (step.op === 'close') {
          const to = step.author === 'host' ? at.viewer : at.creator
          const answer = await at.takes.close(at.close(who[step.author], to))
          if (step.author === 'outsider') assert.match(answer, /only the parties/)
          else until = 0
        } else {
          const again = said[step.which % Math.max(1, said.length)]
          // What came too early may fit by now; what was taken is not taken twice.
          const answer = again && (await again[0](again[1]))
          if (answer !== 'ok') continue
          assert.is(again?.[1].pubkey, at.creator)
          assert.not(taken.has(again?.[1].id ?? ''), 'taken twice')
          taken.add(again?.[1].id ?? '')
          until = Number(tagValue(again?.[1] as NostrEvent, 'paid_until'))
        }
        const clock = streamClock(at.stream(), at.time.now)
        if (clock < before) setBack += before - clock
        peak = Math.max(peak, clock)

        const session = await at.session()
        if (!session) throw new Error('the session is gone')
        // 1. Open exactly as long as the newest receipt of the host says, and never without one.
        for (const ms of [0, 1000, 30_000])
          assert.is(await at.serves(at.time.now + ms), at.time.now + ms < until * 1000)
        const watching = await isWatching(store, at.viewer, at.stream(), at.time.now)
        assert.is(watching, at.time.now < until * 1000)
        // 2. The host received no more than was signed, and only the latest of it is kept.
        assert.ok(session.received <= promised, 'more was received than signed')
        const [kept = []] = [await store.events([{ kinds: [kinds.StreamReceipt], '#e': [at.id] }])]
        assert.ok(kept.length <= 1)
        // 3. All that was open, on the stream's clock, is what the money buys.
        const most = Number(paidMs(rate, session.received) ?? 0n) + TOLERANCE_SECONDS * 1000
        assert.ok(opened <= most + setBack, `${opened} ms open, ${most} bought`)
      }
    }),
    { seed, numRuns: Number(process.env.SCHEDULES ?? 150) },
  )
})

test.run()
