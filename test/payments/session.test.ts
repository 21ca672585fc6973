import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ended, stopped, wentLive } from '../../plugins/live-stream/lifecycle.ts'
import { type LiveStream, streamClock } from '../../plugins/live-stream/stream.ts'
import {
  accrued,
  mayServe,
  paidUntil,
  type Session,
  sessionAt,
} from '../../plugins/payment-stream/session.ts'
import { overdue, repriced } from '../../plugins/payment-stream/watch.ts'
import { EPOCH, liveStream } from './bench.ts'

const host = 'a'.repeat(64)
const stream = liveStream(host, { amount: 10n, unit: 'second' })

/** 10 CREDIT a second, opened when the stream's clock stood at 0, grace 2 s. */
const session = (more: Partial<Session> = {}): Session => ({
  id: '5'.repeat(64),
  viewer: 'b'.repeat(64),
  address: stream.address,
  streamId: 'session-0000000000',
  purpose: 'video_access',
  asset: 'CREDIT',
  openedAt: EPOCH,
  epochs: [{ rate: { amount: 10n, unit: 'second' }, activeMs: 0 }],
  shares: [{ account: 'party:x', bp: 10_000 }],
  graceMs: 2000,
  asOf: 0,
  received: 0n,
  recognised: 0n,
  maxReceive: 1000n,
  accept: '',
  status: 'open',
  ...more,
})
const paid = (amount: bigint, more: Partial<Session> = {}) => session({ received: amount, ...more })

const at = (who: Session, ms: number, live: LiveStream = stream) =>
  sessionAt(who, streamClock(live, EPOCH + ms), live.liveSince !== undefined)
const serves = (who: Session, ms: number, live: LiveStream = stream, endMs = ms) =>
  mayServe(who, live, EPOCH + endMs, EPOCH + ms).ok

test('nothing is served, and nothing due, before the first payment: no grace for who never paid', () => {
  const unpaid = session()
  assert.is(at(unpaid, 60_000).state, 'PROPOSED')
  assert.is(at(unpaid, 60_000).due, 0n)
  assert.is(paidUntil(unpaid, stream, EPOCH), undefined)
  assert.not(serves(unpaid, 0))
})

test('paid time, then grace, then nothing; the clock of the bill stops with the service', () => {
  const some = paid(50n)
  // due(t) is floored: 50 covers everything up to the moment before due would be 51.
  assert.equal(at(some, 5_000), { state: 'ACTIVE', activeMs: 5_000, due: 50n, remainingMs: 99 })
  assert.is(paidUntil(some, stream, EPOCH + 1_000), EPOCH + 5_099)
  assert.ok(serves(some, 5_099))
  assert.is(at(some, 5_100).state, 'GRACE')
  assert.ok(serves(some, 7_098))
  assert.not(serves(some, 7_099))
  assert.equal(at(some, 60_000), {
    state: 'SUSPENDED',
    activeMs: 7_099,
    due: 70n,
    remainingMs: -2_000,
  })
  assert.not(serves(some, 60_000))
  assert.not(serves(some, 60_000, stream, 1_000), 'what lies behind is for who is paid up now')
})

test('a segment that ends beyond what is paid is not served yet; the window behind the edge is', () => {
  const some = paid(50n)
  assert.ok(serves(some, 4_000, stream, -60_000))
  assert.ok(serves(some, 4_000, stream, 7_099))
  assert.not(serves(some, 4_000, stream, 7_100))
})

test('a payment brings a suspended session back; what grace ran up is due first', () => {
  const suspended = accrued(paid(50n), 60_000)
  const again = { ...suspended, received: 80n }
  // 70 of 80 are due already: 10 more is one second.
  assert.equal(at(again, 60_000), {
    state: 'ACTIVE',
    activeMs: 7_099,
    due: 70n,
    remainingMs: 1_000,
  })
  const little = { ...suspended, received: 60n }
  assert.is(at(little, 60_000).state, 'GRACE')
  assert.ok(serves(little, 60_999))
  assert.not(serves(little, 61_000))
})

test('looking often does not change what is due', () => {
  let looked = paid(50n)
  for (let ms = 0; ms <= 20_000; ms += 137) looked = accrued(looked, ms)
  assert.equal(at(looked, 20_000), at(paid(50n), 20_000))
})

test('a stream that stands pauses the session: nothing is due, and paid_until moves along', () => {
  const some = paid(50n)
  const standing = stopped(stream, EPOCH + 2_000)
  assert.equal(at(some, 99_000, standing), {
    state: 'PAUSED',
    activeMs: 2_000,
    due: 20n,
    remainingMs: 3_099,
  })
  assert.is(paidUntil(some, standing, EPOCH + 99_000), EPOCH + 102_099)
  const back = wentLive(standing, EPOCH + 100_000)
  assert.is(at(some, 103_000, back).due, 50n)
  assert.not(serves(paid(10n), 99_000, stopped(stream, EPOCH + 50_000)), 'used up before it stood')
})

test('a clock that comes back lower after a crash bills nothing twice and serves nobody short', () => {
  const some = accrued(paid(50n), 4_000)
  // Media was last seen at 3 s: the clock continues from there.
  const back = wentLive(stopped(stream, EPOCH + 3_000), EPOCH + 10_000)
  assert.is(at(some, 10_500, back).activeMs, 4_000)
  assert.is(at(some, 11_000, back).activeMs, 4_000)
  assert.is(at(some, 11_500, back).activeMs, 4_500)
  assert.is(accrued(accrued(some, 3_500), 4_500).epochs[0]?.activeMs, 4_500)
})

test('the free preview comes first and is not billed; without payment it has no grace', () => {
  const preview = session({ previewEndsAt: 10_000 })
  assert.is(at(preview, 9_999).state, 'PREVIEW')
  assert.ok(serves(preview, 9_999))
  assert.not(serves(preview, 9_999, stream, 10_001))
  assert.is(at(preview, 10_000).state, 'PROPOSED')
  assert.not(serves(preview, 10_000))
  const early = paid(50n, { previewEndsAt: 10_000, asOf: 3_000 })
  assert.is(at(early, 10_000).due, 0n)
  assert.is(paidUntil(early, stream, EPOCH + 4_000), EPOCH + 15_099)
  assert.is(at(early, 15_000).due, 50n)
})

test('a closed session serves nothing, whatever was paid', () => {
  const closed = paid(5_000n, { status: 'settled' })
  assert.is(at(closed, 1_000).state, 'SETTLED')
  assert.not(serves(closed, 1_000))
})

test('a session opens its own stream only, and a tip opens none', () => {
  const other = liveStream('c'.repeat(64), { amount: 10n, unit: 'second' })
  assert.not(mayServe(paid(50n), other, EPOCH, EPOCH).ok)
  assert.not(serves(paid(50n, { purpose: 'tip' }), 0))
})

test('a free session is served as long as it is open', () => {
  const free = session({ epochs: [{ rate: { amount: 0n, unit: 'second' }, activeMs: 0 }] })
  assert.is(at(free, 10 ** 9).state, 'ACTIVE')
  assert.ok(serves(free, 10 ** 9))
})

test('a lower price holds at once, a higher one ends the session after its notice', () => {
  const priced = (amount: bigint): LiveStream => ({
    ...stream,
    price: { amount, unit: 'second', asset: 'CREDIT' },
  })
  const some = paid(100n)
  assert.is(repriced(some, priced(10n), EPOCH + 2_000, 60_000), some)

  const cheaper = repriced(some, priced(5n), EPOCH + 2_000, 60_000)
  assert.is(at(cheaper, 4_000).due, 30n)
  assert.is(cheaper.epochs.length, 2)

  const dearer = repriced(some, priced(11n), EPOCH + 2_000, 5_000)
  assert.is(at(dearer, 4_000).due, 40n)
  assert.ok(serves(dearer, 6_999))
  assert.not(serves(dearer, 6_999, stream, 7_001))
  assert.not(serves(dearer, 7_000))
  assert.is(at(dearer, 60_000).due, 70n, 'what is not served is not billed')
  assert.is(repriced(dearer, priced(12n), EPOCH + 3_000, 5_000), dearer, 'the notice runs on')
  assert.is(repriced(dearer, priced(10n), EPOCH + 3_000, 5_000).noticeEndsAt, undefined)

  const limits = { idleSeconds: 600, pausedSeconds: 3600 }
  assert.is(overdue(dearer, stream, EPOCH + 6_999, limits), undefined)
  assert.is(overdue(dearer, stream, EPOCH + 7_000, limits)?.errorCode, 'price-rose')
})

test('what serves nobody times out: never paid, suspended, or waiting for a stream that stands', () => {
  const limits = { idleSeconds: 100, pausedSeconds: 1000 }
  const late = (who: Session, ms: number, live = stream) =>
    overdue(who, live, EPOCH + ms, limits)?.reason
  assert.is(late(session(), 99_999), undefined)
  assert.is(late(session(), 100_000), 'timeout')
  // Paid 5.099 s and 2 s of grace, then 100 s idle.
  const some = paid(50n, { paidAt: EPOCH })
  assert.is(late(some, 107_098), undefined)
  assert.is(late(some, 107_099), 'timeout')
  assert.is(late(paid(5_000n), 400_000), undefined)
  const standing = stopped(stream, EPOCH + 1_000)
  assert.is(late(some, 999_999, standing), undefined)
  assert.is(late(some, 1_000_000, standing), 'timeout')
  assert.is(at(some, 2_000, ended(stream, EPOCH + 1_000)).due, 10n)
})

test.run()
