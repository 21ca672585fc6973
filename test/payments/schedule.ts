import fc from 'fast-check'
import * as assert from 'uvu/assert'
import { kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import { stopped, wentLive } from '../../plugins/live-stream/lifecycle.ts'
import { type LiveStream, streamClock, streams } from '../../plugins/live-stream/stream.ts'
import { closer } from '../../plugins/payment-stream/close.ts'
import { balanceOf } from '../../plugins/payment-stream/ledger.ts'
import { opener } from '../../plugins/payment-stream/open.ts'
import { cashier } from '../../plugins/payment-stream/pay.ts'
import { revenueOf } from '../../plugins/payment-stream/revenue.ts'
import {
  mayServe,
  type Session,
  sessionAt,
  sessions,
} from '../../plugins/payment-stream/session.ts'
import { finalSplit, runningSplit } from '../../plugins/payment-stream/split.ts'
import { watcher } from '../../plugins/payment-stream/watch.ts'
import type { Decision, Store, Tx } from '../../plugins/plugin.ts'
import { heard, liveStream, payee, saveStream, viewerOf } from './bench.ts'

const WELCOME = 1000n
const GRACE_MS = 2000

const index = fc.nat(20)
const amount = fc.bigInt({ min: 0n, max: 150n })
/** At which verb of a transaction the process dies, if it does. */
const dies = fc.option(fc.nat(30), { freq: 4, nil: undefined })

/** One thing that happens between a viewer, its relay and the world. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('pay'), amount, gap: fc.nat(3), dies }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('hold'), amount, gap: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('deliver'), index }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('again'), index, anew: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('equivocate'), index, amount }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('ancient') }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('wait'), ms: fc.nat(9000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('jump'), ms: fc.integer({ min: -6000, max: 6000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('stop') }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('start') }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('crash'), lostMs: fc.nat(2500) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('price'), amount: fc.bigInt({ min: 1n, max: 30n }) }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('watch'), dies }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('close'), dies }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

export interface Schedule {
  readonly price: bigint
  readonly previewSeconds: number
  /** At which verb the first try to open dies, if it does. */
  readonly opens?: number
  readonly steps: readonly Step[]
}

export const schedule: fc.Arbitrary<Schedule> = fc.record({
  price: fc.bigInt({ min: 1n, max: 30n }),
  previewSeconds: fc.constantFrom(0, 0, 5),
  opens: dies,
  steps: fc.array(step, { minLength: 1, maxLength: 24, size: 'max' }),
})

interface Promised {
  readonly sequence: bigint
  readonly total: bigint
  readonly event: NostrEvent
}

/** The store, whose transactions die at their n-th verb while `die.at` is set. */
export function mortal(store: Store, die: { at: number | undefined }): Store {
  const transaction: Store['transaction'] = fn =>
    store.transaction(tx => {
      let verbs = 0
      const counted = new Proxy(tx, {
        get(target, name: keyof Tx) {
          if (die.at !== undefined && verbs++ >= die.at) throw new Error('killed')
          return target[name]
        },
      })
      return fn(counted)
    })
  return { ...store, transaction }
}

/**
 * Plays one schedule against the real store and checks every invariant of docs/events.md after each step. `n` makes
 * its viewer and its host its own, so that many share a store.
 */
export async function play(store: Store, n: number, show: Schedule) {
  const { price, previewSeconds, opens, steps } = show
  const hex = (tail: string) => tail + n.toString(16).padStart(60, '0')
  const [creator, viewer] = [hex('aaaa'), hex('bbbb')]
  let stream = liveStream(
    creator,
    { amount: price, unit: 'second' },
    {
      freePreviewSeconds: previewSeconds,
    },
  )
  await saveStream(store, stream)
  const die: { at: number | undefined } = { at: undefined }
  const { desk, time, ctx } = payee(mortal(store, die), {
    graceSeconds: GRACE_MS / 1000,
    prepaySeconds: 100_000,
    idleSeconds: 20,
    pausedSeconds: 60,
    noticeSeconds: 10,
    credit: { welcomeCap: Number.MAX_SAFE_INTEGER },
  })
  const me = viewerOf(viewer, stream, time)
  const take = { open: opener(desk), money: cashier(desk), close: closer(desk) }
  const watch = watcher(desk)

  const opening = me.open({ amount: price, unit: 'second' })
  const id = opening.id
  die.at = opens
  await take.open(opening, ctx).catch(async error => {
    assert.is((error as Error).message, 'killed')
    assert.is(
      await sessions.get(store, id),
      undefined,
      'an opening that died left a session behind',
    )
  })
  die.at = undefined
  assert.is(heard(await take.open(opening, ctx)), 'ok')

  // The oracle: what the viewer promised, what was settled, what media was served on the stream's clock.
  const held: Promised[] = []
  const made: Promised[] = []
  const settled = new Map<bigint, { total: bigint; receipt: string }>()
  const served: [from: number, to: number][] = []
  let highest = 0n
  let nextSequence = 0n
  let promised = 0n
  let received = 0n
  let dearest = price
  let peak = 0
  let waits = 0
  let setBack = 0
  let leapt = 0

  const session = async (): Promise<Session> => {
    const found = await sessions.get(store, id)
    assert.ok(found)
    return found as Session
  }
  const move = async (next: LiveStream): Promise<void> => {
    stream = next
    await store.transaction(tx => streams.put(tx, stream.address, stream))
  }
  const promise = (more: bigint, gap: number): Promised => {
    nextSequence += 1n + BigInt(gap)
    promised += more
    const [sequence, total] = [nextSequence, promised]
    const voucher = { sequence, total, event: me.voucher(id, sequence, total) }
    made.push(voucher)
    return voucher
  }

  /** Runs a handler that may die on the way: then nothing of it may stay, and the viewer tries again. */
  async function survive(at: number | undefined, run: () => Promise<Decision>): Promise<Decision> {
    const before = [await session(), await balanceOf(store, 'CREDIT', `viewer:${viewer}`)]
    die.at = at
    try {
      return await run()
    } catch (error) {
      assert.is((error as Error).message, 'killed')
      const after = [await session(), await balanceOf(store, 'CREDIT', `viewer:${viewer}`)]
      assert.equal(after, before, 'a payment that died on the way left something behind')
    } finally {
      die.at = undefined
    }
    return run()
  }

  async function deliver(voucher: Promised, at?: number): Promise<void> {
    const { sequence, total, event } = voucher
    const before = await session()
    const balance = await balanceOf(store, 'CREDIT', `viewer:${viewer}`)
    const earlier = settled.get(sequence)
    const said = heard(await survive(at, () => take.money(event, ctx)))
    const now = await session()
    if (before.status !== 'open') return assert.is(said, 'restricted: this session is closed')
    const old = sequence + 1024n < highest
    // What lies that far back may be forgotten.
    if (old && /too old/.test(said)) assert.ok(true)
    else if (earlier?.total === total)
      assert.is(said, `ok duplicate: already settled, receipt ${earlier.receipt}`)
    else if (earlier) assert.match(said, /settled with another promise/)
    else if (old) assert.match(said, /too old/)
    else if (total < received) assert.match(said, /total_sent falls/)
    else if (total - received > balance) assert.match(said, /your balance is/)
    else {
      assert.is(said, 'ok')
      const receipt = now.receipt ? await store.event(now.receipt) : undefined
      assert.is(receipt?.kind, kinds.StreamReceipt)
      assert.is(tagValue(receipt as NostrEvent, 'received'), String(total - received))
      assert.is(tagValue(receipt as NostrEvent, 'total_received'), String(total))
      assert.ok(await store.event(event.id), 'the voucher of the newest receipt is stored')
      received = total
      if (sequence > highest) highest = sequence
      settled.set(sequence, { total, receipt: now.receipt ?? '' })
      return
    }
    assert.is(now.received, before.received, 'a refusal or a repeat moved money')
  }

  /** What a viewer who asks at every moment of the next `ms` is served, on the stream's clock. */
  async function wait(ms: number): Promise<void> {
    const current = await session()
    const from = time.now
    waits += 1
    const ok = (at: number) => mayServe(current, stream, at, at).ok
    let [some, none] = [0, ms + 1]
    if (ok(from)) {
      while (none - some > 1) {
        const middle = Math.floor((some + none) / 2)
        if (ok(from + middle)) some = middle
        else none = middle
      }
      served.push([streamClock(stream, from), streamClock(stream, from + some)])
    }
    time.now += ms
  }

  async function perform(what: Step): Promise<void> {
    switch (what.op) {
      case 'pay':
        return deliver(promise(what.amount, what.gap), what.dies)
      case 'hold':
        return void held.push(promise(what.amount, what.gap))
      case 'deliver': {
        const voucher = held[what.index % Math.max(1, held.length)]
        return voucher && deliver(voucher)
      }
      case 'again': {
        const voucher = made[what.index % Math.max(1, made.length)]
        if (!voucher) return
        const { sequence, total } = voucher
        const event = what.anew ? me.voucher(id, sequence, total) : voucher.event
        // The relay answers an event that it still has before it comes here.
        return (await store.event(event.id)) ? undefined : deliver({ sequence, total, event })
      }
      case 'equivocate': {
        const voucher = made[what.index % Math.max(1, made.length)]
        if (!voucher) return
        const { sequence } = voucher
        const total = voucher.total + what.amount + 1n
        return deliver({ sequence, total, event: me.voucher(id, sequence, total) })
      }
      case 'ancient': {
        nextSequence += 2000n
        return
      }
      case 'wait':
        return wait(what.ms)
      case 'jump':
        time.now += what.ms
        return
      case 'stop':
        return move(stopped(stream, time.now))
      case 'start':
        return move(wentLive(stream, time.now))
      case 'crash': {
        const seen = time.now - what.lostMs
        return move(wentLive(stopped(stream, seen), time.now))
      }
      case 'price': {
        if (what.amount > dearest) dearest = what.amount
        return move({ ...stream, price: { amount: what.amount, unit: 'second', asset: 'CREDIT' } })
      }
      case 'watch': {
        // A job that dies on the way is run again: what it did of its work before stays done.
        die.at = what.dies
        await watch
          .watch({ key: stream.address })
          .catch(error => assert.is((error as Error).message, 'killed'))
        die.at = undefined
        return watch.watch({ key: stream.address })
      }
      case 'close': {
        const before = await session()
        const event = me.close(id)
        const said = heard(await survive(what.dies, () => take.close(event)))
        return assert.match(said, before.status === 'open' ? /^ok$/ : /^ok duplicate: /)
      }
    }
  }

  async function check(): Promise<void> {
    const now = await session()
    const account = (name: string) => balanceOf(store, 'CREDIT', name)
    const escrow = await account(`escrow:${id}`)
    const suspense = await account(`suspense:${id}`)
    assert.is(now.received, received, 'the session counts what was settled')
    if (now.status === 'open') {
      assert.is(await account(`viewer:${viewer}`), WELCOME - received)
      assert.is(escrow, received - now.recognised)
      const parts = runningSplit(now.shares, now.recognised)
      assert.is(suspense, now.recognised - parts.reduce((sum, part) => sum + part, 0n))
      assert.is(await account(`party:${creator}`), parts[0])
    } else {
      const kept = now.recognised
      assert.is(escrow, 0n)
      assert.is(suspense, 0n)
      assert.is(now.settled?.refunded, received - kept)
      assert.is(await account(`viewer:${viewer}`), WELCOME - kept)
      assert.is(await account(`party:${creator}`), finalSplit(now.shares, kept)[0])
    }
    const revenue = await revenueOf(store, stream.address, 'CREDIT')
    assert.is(revenue, await account(`party:${creator}`), 'the stream counts what its host got')
    // What was served beyond the preview is billed, and what is billed is paid, but for the grace.
    peak = Math.max(peak, streamClock(stream, time.now))
    const { activeMs, due } = sessionAt(now, peak)
    const watched = measure(served, now.previewEndsAt ?? 0)
    if (received === 0n) assert.is(watched, 0)
    // What a clock that came back lower shows once more is not billed twice: the error is in the viewer's favour.
    assert.ok(watched <= activeMs + setBack, `${watched} ms served, ${activeMs} billed`)
    const billed = sessionAt(now, streamClock(stream, time.now)).activeMs
    const servable = watched + waits + leapt
    assert.ok(billed <= servable, `${billed} ms billed, ${servable} servable`)
    const debt = due - received
    assert.ok(debt <= (dearest * BigInt(GRACE_MS)) / 1000n + 1n, `${debt} owed`)
  }

  for (const what of steps) {
    const before = streamClock(stream, time.now)
    await perform(what)
    const moved = streamClock(stream, time.now) - before
    if (moved < 0) setBack -= moved
    else if (what.op !== 'wait') leapt += moved
    await check()
  }
  await take.close(me.close(id))
  await check()
}

/** How much of the clock at and after `from` the intervals cover together. */
function measure(intervals: readonly [number, number][], from: number): number {
  let covered = 0
  let end = from
  for (const [a, b] of [...intervals].sort((x, y) => x[0] - y[0])) {
    covered += Math.max(0, b - Math.max(a, end))
    end = Math.max(end, b)
  }
  return covered
}
