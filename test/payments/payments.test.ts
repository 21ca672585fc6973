import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  kinds,
  type NostrEvent,
  parseStreamAccept,
  parseStreamFlowControl,
  parseStreamReceipt,
  tagValue,
} from '../../events/index.ts'
import { stopped } from '../../plugins/live-stream/lifecycle.ts'
import type { LiveStream } from '../../plugins/live-stream/stream.ts'
import { isWatching } from '../../plugins/payment-stream/access.ts'
import { closer, forgetter } from '../../plugins/payment-stream/close.ts'
import { balanceOf, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { opener } from '../../plugins/payment-stream/open.ts'
import { cashier, equivocations } from '../../plugins/payment-stream/pay.ts'
import { openSessionOf, sessions } from '../../plugins/payment-stream/session.ts'
import { watcher } from '../../plugins/payment-stream/watch.ts'
import type { Store } from '../../plugins/plugin.ts'
import { EPOCH, heard, liveStream, openStore, payee, SELF, saveStream, viewerOf } from './bench.ts'

const test = suite<ReturnType<typeof openStore>>('payments')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(async context => {
  assert.equal(await verifyLedger(context.store), [])
  await context.close()
})

const creator = 'a'.repeat(64)
const viewer = 'b'.repeat(64)
const rate = { amount: 10n, unit: 'second' } as const
const hourly = { amount: 1000n, unit: 'hour' } as const

/** A payee, a live stream at 10 CREDIT a second and a viewer with 1000 CREDIT of welcome credit. */
async function scene(store: Store, more: Partial<LiveStream> = {}, options = {}) {
  const stream = liveStream(creator, rate, more)
  await saveStream(store, stream)
  const { desk, time, ctx } = payee(store, options)
  const take = { open: opener(desk), money: cashier(desk), close: closer(desk) }
  const me = viewerOf(viewer, stream, time)
  const last = async (kind: number): Promise<NostrEvent | undefined> =>
    (await store.events([{ kinds: [kind], authors: [SELF] }]))[0]
  return {
    stream,
    desk,
    time,
    ctx,
    me,
    last,
    watch: watcher(desk),
    viewerAs: (who: string) => viewerOf(who, stream, time),
    open: async (event: NostrEvent) => heard(await take.open(event, ctx)),
    pay: async (event: NostrEvent) => heard(await take.money(event, ctx)),
    close: async (event: NostrEvent) => heard(await take.close(event)),
    /** Opens a session and gives its id. */
    async opened(event = me.open(rate)): Promise<string> {
      assert.is(heard(await take.open(event, ctx)), 'ok')
      return event.id
    },
    balance: (account: string) => balanceOf(store, 'CREDIT', account),
  }
}

test('a 5610 at the price is stored with its 5611 and its session, all at once', async ({
  store,
}) => {
  const { opened, last, balance, stream } = await scene(store)
  const id = await opened()
  const said = parseStreamAccept((await last(kinds.StreamAccept)) as NostrEvent)
  assert.ok(said.ok && said.value)
  if (!said.ok) return
  assert.is(said.value.session, id)
  assert.is(said.value.status, 'accepted')
  assert.is(said.value.asset, 'CREDIT')
  assert.is(said.value.maxReceive, 36_000n)
  assert.equal(
    said.value.rails.map(rail => rail.id),
    ['credit'],
  )
  assert.is((await openSessionOf(store, viewer, stream.address))?.id, id)
  assert.is(await balance(`viewer:${viewer}`), 1000n)
})

test('a 5610 that cannot be opened is refused with its sentence, and nothing of it stays', async ({
  store,
}) => {
  const { open, me, desk, stream, time } = await scene(store, {
    price: { amount: 1000n, unit: 'second', asset: 'CREDIT' },
  })
  const at = (amount: bigint, unit: 'second' | 'minute' | 'hour' | 'chunk') => ({ amount, unit })
  const price = at(1000n, 'second')
  const nowhere = viewerOf(viewer, { ...stream, address: `30311:${creator}:other` }, time)
  const cases: [NostrEvent, string][] = [
    [
      me.open(at(500n, 'second')),
      'restricted: this stream costs 1000 CREDIT per second, you offered 500',
    ],
    [
      me.open(at(59_999n, 'minute')),
      'restricted: this stream costs 1000 CREDIT per second, you offered 59999 per minute',
    ],
    [
      me.open(at(10n, 'chunk')),
      'restricted: this stream costs 1000 CREDIT per second, it is not sold by the chunk',
    ],
    [nowhere.open(price), 'restricted: this relay serves no such stream'],
    [me.open(price, [['asset', 'SAT']]), 'restricted: this stream is paid in CREDIT, not in SAT'],
    [
      me.open(price, [['rail', 'cashu']]),
      'restricted: there is no rail "cashu" for CREDIT here, use credit',
    ],
    [
      me.open(price, [['p', creator]], ['p']),
      `restricted: payments here go to the relay, name ${SELF} in p`,
    ],
    [
      me.open(price, [['purpose', 'custom']], ['purpose']),
      'restricted: purpose custom is not offered here, use video_access or tip',
    ],
  ]
  for (const [event, sentence] of cases) {
    assert.is(await open(event), sentence)
    assert.is(await store.event(event.id), undefined)
  }
  assert.equal(await sessions.list(store), [])
  assert.is(await open(me.open(at(60_000n, 'minute'))), 'ok')
  assert.is(
    await open(me.open(price)),
    'restricted: this stream_id was used before, choose another',
  )

  const old = me.open(price)
  time.now += 601_000
  assert.is(await open(old), 'invalid: created_at is more than 600 s from now')
  const imported = await opener(desk)(me.open(price), {
    source: { type: 'Import', info: '' },
    authed: [],
    receivedAt: time.now / 1000,
    signal: new AbortController().signal,
  })
  assert.is(heard(imported), 'blocked: payment sessions are opened by their viewers only')
  await saveStream(store, { ...stream, status: 'ended' })
  assert.is(await open(me.open(price)), 'restricted: this stream is over')
})

test('one viewer has a bounded number of sessions open', async ({ store }) => {
  const { open, viewerAs } = await scene(store, {}, { maxOpenSessions: 2 })
  for (const said of ['ok', 'ok', 'restricted: you have 2 sessions open, close one of them first'])
    assert.is(await open(viewerAs(viewer).open(rate)), said)
  assert.is(await open(viewerAs('d'.repeat(64)).open(rate)), 'ok')
})

test('a payment moves the money, and its receipt says until when', async ({ store }) => {
  const { opened, pay, me, last, balance, time } = await scene(store)
  const id = await opened()
  const voucher = me.voucher(id, 1n, 50n)
  assert.is(await pay(voucher), 'ok')
  const said = parseStreamReceipt((await last(kinds.StreamReceipt)) as NostrEvent)
  if (!said.ok) throw new Error(said.msg)
  const { money, received, totalReceived, paidUntil, sequence } = said.value
  assert.equal(
    { money, received, totalReceived, paidUntil, sequence },
    {
      money: voucher.id,
      received: 50n,
      totalReceived: 50n,
      paidUntil: EPOCH / 1000 + 5,
      sequence: 1n,
    },
  )
  assert.is(await balance(`viewer:${viewer}`), 950n)
  assert.is(await balance(`escrow:${id}`), 50n)

  time.now += 3_000
  assert.is(await pay(me.voucher(id, 2n, 80n)), 'ok')
  // 30 are due: 27 to the creator, 1 of 1.5 to the relay, 0 of 0.9, 0 of 0.6; 2 wait in suspense.
  assert.is(await balance(`escrow:${id}`), 50n)
  assert.is(await balance(`party:${creator}`), 27n)
  assert.is(await balance(`party:${SELF}`), 1n)
  assert.is(await balance(`suspense:${id}`), 2n)
  const kept = await store.events([{ kinds: [kinds.StreamMoney, kinds.StreamReceipt] }])
  assert.is(kept.length, 2, 'of both only the latest is kept')
})

test('the checks on a voucher, in their order', async ({ store }) => {
  const { opened, pay, me, viewerAs, time } = await scene(store, {}, { prepaySeconds: 80 })
  const id = await opened(me.open(rate, [['max_total', '700']]))
  const foreign = viewerAs('d'.repeat(64)).voucher(id, 1n, 10n)
  const steps: [NostrEvent, string][] = [
    [me.voucher('9'.repeat(64), 1n, 10n), 'invalid: this payment names no session of this relay'],
    [foreign, 'restricted: only the viewer who opened this session pays into it'],
    [viewerAs(viewer).voucher(id, 1n, 10n), 'invalid: stream_id is not the one of this session'],
    [me.voucher(id, 2000n, 100n), 'ok'],
    [
      me.voucher(id, 2000n, 200n),
      'invalid: sequence 2000 was settled with another promise, use a higher one',
    ],
    [me.voucher(id, 975n, 200n), 'invalid: sequence 975 is too old, 2000 is settled'],
    [me.voucher(id, 976n, 110n), 'ok'],
    [me.voucher(id, 2001n, 109n), 'invalid: total_sent falls from 110 to 109'],
    [
      me.voucher(id, 2001n, 120n, [['min_receive', '11']]),
      'invalid: this payment brings 10, its min_receive is 11',
    ],
    [
      me.voucher(id, 2001n, 801n),
      'restricted: the payee takes up to 800 in all for now, this makes 801',
    ],
    [me.voucher(id, 2001n, 701n), 'restricted: this makes 701, your max_total is 700'],
    [
      me.voucher(id, 2001n, 120n, [['proof', 'cashu', 'x']]),
      'restricted: rail "cashu" takes no proofs here',
    ],
    [me.voucher(id, 2001n, 700n), 'ok'],
  ]
  for (const [event, sentence] of steps) assert.is(await pay(event), sentence)
  time.now += 1000
  assert.is((await sessions.get(store, id))?.received, 700n)
  assert.is((await equivocations.list(store)).length, 1)
})

test('a settled voucher, repeated as it was or signed anew, is answered and posts nothing', async ({
  store,
}) => {
  const { opened, pay, me, balance, last } = await scene(store)
  const id = await opened()
  const first = me.voucher(id, 1n, 50n)
  await pay(first)
  const receipt = (await last(kinds.StreamReceipt))?.id
  await pay(me.voucher(id, 2n, 60n))
  for (const again of [first, me.voucher(id, 1n, 50n)])
    assert.is(await pay(again), `ok duplicate: already settled, receipt ${receipt}`)
  assert.is(await balance(`viewer:${viewer}`), 940n)
  assert.is((await sessions.get(store, id))?.received, 60n)
})

test('too little balance: refused, and a 5614 says how to top up', async ({ store }) => {
  const { opened, pay, me, last, balance } = await scene(store, {}, { credit: { welcome: 20 } })
  const id = await opened()
  const sentence =
    'your balance is 20 CREDIT and this payment needs 50, ask the operator for credit'
  assert.is(await pay(me.voucher(id, 1n, 50n)), `restricted: ${sentence}`)
  const said = parseStreamFlowControl((await last(kinds.StreamFlowControl)) as NostrEvent)
  if (!said.ok) throw new Error(said.msg)
  assert.is(said.value.blocked, sentence)
  assert.is(said.value.currentOffset, 0n)
  assert.is(said.value.rails[0]?.id, 'credit')
  await pay(me.voucher(id, 2n, 50n))
  assert.is((await store.events([{ kinds: [kinds.StreamFlowControl] }])).length, 1)
  assert.is(await balance(`viewer:${viewer}`), 20n)
  assert.is(await pay(me.voucher(id, 3n, 20n)), 'ok')
})

test('a payment beyond the window is told the window; a half used one opens anew', async ({
  store,
}) => {
  const { opened, pay, me, last, time } = await scene(store, {}, { prepaySeconds: 20 })
  const id = await opened()
  const window = async () =>
    tagValue((await last(kinds.StreamFlowControl)) as NostrEvent, 'max_receive')
  assert.match(await pay(me.voucher(id, 1n, 201n)), /takes up to 200 in all/)
  assert.is(await window(), '200')
  time.now += 1_000
  assert.is(await pay(me.voucher(id, 1n, 100n)), 'ok')
  time.now += 9_000
  assert.is(await pay(me.voucher(id, 2n, 150n)), 'ok')
  assert.is(await window(), '290')
})

test('the first valid close wins: what was not due is refunded, the last unit shared out', async ({
  store,
}) => {
  const { opened, pay, close, me, last, balance, time, viewerAs } = await scene(store)
  const id = await opened()
  await pay(me.voucher(id, 1n, 100n))
  time.now += 3_100
  assert.is(
    await close(viewerAs('d'.repeat(64)).close(id)),
    'restricted: only the parties of a session close it',
  )
  assert.is(await close(me.close(id)), 'ok')
  const answer = (await last(kinds.StreamClose)) as NostrEvent
  assert.equal(
    ['final_sent', 'final_received', 'refunded', 'reason'].map(name => tagValue(answer, name)),
    ['100', '31', '69', 'complete'],
  )
  assert.is(await balance(`viewer:${viewer}`), 969n)
  // 27.9, 1.55, 0.93, 0.62: the two units left go to the third and the first share.
  assert.is(await balance(`party:${creator}`), 28n)
  assert.is(await balance(`party:${SELF}`), 3n)
  for (const account of [`escrow:${id}`, `suspense:${id}`]) assert.is(await balance(account), 0n)

  time.now += 60_000
  assert.is(
    await close(me.close(id)),
    `ok duplicate: this session is closed already, see ${answer.id}`,
  )
  assert.is(await pay(me.voucher(id, 2n, 200n)), 'restricted: this session is closed')
  assert.is(await balance(`viewer:${viewer}`), 969n)
})

test('one free preview for each viewer, host and day', async ({ store }) => {
  const { open, viewerAs, stream, time, last, watch } = await scene(store, {
    freePreviewSeconds: 30,
  })
  const preview = async () =>
    tagValue((await last(kinds.StreamAccept)) as NostrEvent, 'free_preview')
  const watching = () => isWatching(store, viewer, stream, time.now)
  assert.is(await open(viewerAs(viewer).open(rate)), 'ok')
  assert.is(await preview(), '30')
  assert.ok(await watching())
  time.now += 30_000
  assert.not(await watching())
  assert.is(await open(viewerAs(viewer).open(rate)), 'ok')
  assert.is(await preview(), undefined)
  assert.not(await watching())
  time.now += 86_400_000
  await watch.watch({ key: stream.address })
  assert.is(await open(viewerAs(viewer).open(rate)), 'ok')
  assert.is(await preview(), '30')
})

test('who owes for a session gets no grace in the next, that day', async ({ store }) => {
  const { opened, pay, close, me, viewerAs, time } = await scene(store)
  const id = await opened()
  await pay(me.voucher(id, 1n, 10n))
  assert.is((await sessions.get(store, id))?.graceMs, 3000)
  time.now += 60_000
  const second = await opened(viewerAs(viewer).open(rate))
  assert.is((await sessions.get(store, second))?.graceMs, 0, 'owes for an open one')
  await close(me.close(id))
  const third = await opened(viewerAs(viewer).open(rate))
  assert.is((await sessions.get(store, third))?.graceMs, 0, 'owes for a settled one')
  time.now += 86_400_000
  const fourth = await opened(viewerAs('c'.repeat(64)).open(rate))
  assert.is((await sessions.get(store, fourth))?.graceMs, 3000)
})

test('a tip is earned at once, buys no time, and is never refunded', async ({ store }) => {
  const { opened, pay, close, me, balance, stream, time } = await scene(store)
  const id = await opened(
    me.open({ amount: 0n, unit: 'second' }, [['purpose', 'tip']], ['purpose']),
  )
  assert.is(await pay(me.voucher(id, 1n, 100n)), 'ok')
  assert.is(await balance(`party:${creator}`), 90n)
  assert.not(await isWatching(store, viewer, stream, time.now))
  assert.is(await close(me.close(id)), 'ok')
  assert.is(await balance(`viewer:${viewer}`), 900n)
  assert.is(await balance(`party:${SELF}`), 10n)
})

test('a free stream opens without money and takes none', async ({ store }) => {
  const { opened, pay, me, stream, time } = await scene(store, { price: undefined })
  const id = await opened(me.open({ amount: 0n, unit: 'second' }))
  assert.ok(await isWatching(store, viewer, stream, time.now + 10 ** 8))
  assert.match(await pay(me.voucher(id, 1n, 1n)), /takes up to 0 in all/)
})

test('a thousand an hour is never zero a second', async ({ store }) => {
  const price = { ...hourly, asset: 'CREDIT' }
  const { opened, pay, close, me, time, balance } = await scene(store, { price })
  const id = await opened(me.open(hourly))
  await pay(me.voucher(id, 1n, 900n))
  for (let i = 0n; i < 100n; i++) {
    time.now += 20_000
    assert.is(await pay(me.voucher(id, 2n + i, 900n)), 'ok')
  }
  await close(me.close(id))
  assert.is(await balance(`viewer:${viewer}`), 1000n - 555n)
})

test('an ended stream settles all its sessions; a payment cannot revive them', async ({
  store,
}) => {
  const { open, pay, viewerAs, stream, time, watch, balance } = await scene(store)
  const people = Array.from({ length: 60 }, (_, i) => i.toString(16).padStart(64, '0'))
  const vouchers: NostrEvent[] = []
  for (const person of people) {
    const them = viewerAs(person)
    const opening = them.open(rate)
    await open(opening)
    await pay(them.voucher(opening.id, 1n, 100n))
    vouchers.push(them.voucher(opening.id, 2n, 200n))
  }
  time.now += 4_000
  await saveStream(store, { ...stopped(stream, time.now), status: 'ended' })
  time.now += 9_000
  await watch.watch({ key: stream.address })
  await watch.watch({ key: stream.address })
  for (const person of people) assert.is(await balance(`viewer:${person}`), 960n)
  for (const voucher of vouchers)
    assert.is(await pay(voucher), 'restricted: this session is closed')
  assert.is(await balance(`party:${creator}`), 60n * 36n)
})

test('the watch passes on a new price and times out what is of no use', async ({ store }) => {
  const { opened, pay, me, stream, time, watch } = await scene(store)
  const id = await opened()
  await pay(me.voucher(id, 1n, 100n))
  time.now += 2_000
  await saveStream(store, { ...stream, price: { amount: 5n, unit: 'second', asset: 'CREDIT' } })
  await watch.watch({ key: stream.address })
  assert.is((await sessions.get(store, id))?.epochs.length, 2)
  time.now += 617_000
  await watch.watch({ key: stream.address })
  assert.is((await sessions.get(store, id))?.status, 'open')
  time.now += 20_000
  await watch.watch({ key: stream.address })
  const session = await sessions.get(store, id)
  assert.is(session?.settled?.reason, 'timeout')
  assert.is(session?.settled?.refunded, 0n)
})

test('retention takes the events, the ledger stays; a replay of the old 5610 opens nothing', async ({
  store,
}) => {
  const { opened, open, pay, close, me, desk, time } = await scene(store)
  const opening = me.open(rate)
  const id = await opened(opening)
  const voucher = me.voucher(id, 1n, 100n)
  await pay(voucher)
  await close(me.close(id))
  time.now += 168 * 3_600_000
  await forgetter(desk)({ key: id })
  assert.equal(await store.events([{}]), [])
  assert.is(await sessions.get(store, id), undefined)
  assert.match(await open(opening), /created_at is more than 600 s/)
  assert.is(await pay(voucher), 'invalid: this payment names no session of this relay')
})

test('a voucher that its viewer deleted beforehand settles nothing', async ({
  store,
  relayStore,
}) => {
  const { opened, pay, me, balance } = await scene(store)
  const id = await opened()
  const voucher = me.voucher(id, 1n, 50n)
  const deletion = { ...me.close(id), kind: kinds.Deletion, tags: [['e', voucher.id]] }
  await relayStore.putEvent({ ...deletion, id: '7'.repeat(64) })
  assert.is(await pay(voucher), 'blocked: this event was deleted by its author')
  assert.is(await balance(`viewer:${viewer}`), 1000n)
})

test.run()
