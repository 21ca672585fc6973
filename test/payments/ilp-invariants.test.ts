import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type IlpReply, kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import { closer } from '../../plugins/payment-stream/close.ts'
import type { Desk } from '../../plugins/payment-stream/desk.ts'
import { balanceOf, verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { opener } from '../../plugins/payment-stream/open.ts'
import { payments } from '../../plugins/payment-stream/pay.ts'
import { conditionOf, moneyFulfillment } from '../../plugins/payment-stream/rails/ilp/condition.ts'
import { ilpOptions } from '../../plugins/payment-stream/rails/ilp/options.ts'
import { ilpRail } from '../../plugins/payment-stream/rails/ilp/rail.ts'
import { ilpReceiver } from '../../plugins/payment-stream/rails/ilp/receiver.ts'
import { sessions } from '../../plugins/payment-stream/session.ts'
import type { Store } from '../../plugins/plugin.ts'
import { heard, liveStream, openStore, payee, saveStream, viewerOf } from './bench.ts'
import { ADDRESS } from './ilp.ts'
import { mortal } from './schedule.ts'

/**
 * Packets that are lost, delayed, replayed, shaved and reordered, deaths in the middle of a transaction, against the real
 * store. SCHEDULES sets their number, SEED repeats a run.
 */
const runs = Number(process.env.SCHEDULES ?? 300)
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

const amount = fc.bigInt({ min: 1n, max: 400n })
const percent = fc.constantFrom(100n, 100n, 99n, 90n, 50n, 110n)
const index = fc.nat(20)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('pay'),
      amount,
      /** What the viewer will put up with, and what the hop passes on, of the whole. */
      least: fc.constantFrom(100n, 95n, 50n),
      passed: percent,
      fate: fc.constantFrom('arrives', 'arrives', 'held', 'answer lost'),
      dies: fc.option(fc.nat(40), { freq: 3, nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('deliver'), index }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('replay'), index, passed: percent }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('query') }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('prepaid'), amount }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('wait'), ms: fc.nat(9000) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('close') }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const schedule = fc.array(step, { minLength: 1, maxLength: 25, size: 'max' })

interface Packet {
  readonly event: NostrEvent
  readonly amount: bigint
  readonly condition: Buffer
  readonly expiresAt: number
}

const test = suite<ReturnType<typeof openStore>>('ilp invariants')
test.before.each(context => void Object.assign(context, openStore()))
test.after.each(context => context.close())

test(`${runs} schedules, SEED=${seed}: each packet is credited once and its answer is never lost`, async ({
  store,
}) => {
  let n = 0
  await fc.assert(
    fc.asyncProperty(schedule, steps => play(store, n++, steps)),
    { numRuns: runs, seed },
  )
  assert.equal(await verifyLedger(store), [])
})

async function play(store: Store, n: number, steps: readonly Step[]): Promise<void> {
  const hex = (tail: string) => tail + n.toString(16).padStart(60, '0')
  const price = { amount: 10n, unit: 'second', asset: 'USD' } as const
  const stream = liveStream(hex('aaaa'), price, { price })
  await saveStream(store, stream)
  const die: { at: number | undefined } = { at: undefined }
  const { desk: plain, time, ctx } = payee(mortal(store, die), { idleSeconds: 1_000_000 })
  const options = ilpOptions.parse({ address: ADDRESS })
  const rail = ilpRail(options)
  const desk: Desk = { ...plain, ilp: rail, rails: [...plain.rails, rail] }
  const pay = payments(desk)
  const [open, close] = [opener(desk), closer(desk)]
  const receive = ilpReceiver(desk, rail, options, { open, close, pay })
  const viewer = hex('bbbb')
  const me = viewerOf(viewer, stream, time)
  const opening = me.open(price)
  assert.is(heard(await open(opening, ctx)), 'ok')
  const id = opening.id
  const session = async () => {
    const found = await sessions.get(store, id)
    if (!found) throw new Error('the session is gone')
    return found
  }
  const { secret = '', streamId } = await session()
  const peer = `hub-${n}`
  const account = (name: string) => balanceOf(store, 'USD', name)

  // The oracle: what was fulfilled, by condition; what the viewer believes.
  const fulfilled = new Map<string, { amount: bigint; answer: string }>()
  const held: Packet[] = []
  const sent: Packet[] = []
  let sequence = 0n
  let believed = 0n

  async function deliver(packet: Packet, dies?: number): Promise<IlpReply> {
    die.at = dies
    const data = Buffer.from(JSON.stringify(packet.event))
    const reply = await receive({ ...packet, destination: ADDRESS, data }, { name: peer }, '::1')
    die.at = undefined
    const key = packet.condition.toString('hex')
    const before = fulfilled.get(key)
    if (reply.type === 'reject') {
      // Once fulfilled, always fulfilled, while the packet may still be paid and the session is open.
      const same = before?.amount === packet.amount && packet.expiresAt > time.now + 500
      if (same && reply.code !== 'T00') assert.is((await session()).status, 'settled')
      return reply
    }
    assert.ok(packet.amount > 0n, 'a packet without money is never fulfilled')
    assert.ok(packet.expiresAt >= time.now + 500, 'nothing is fulfilled too late')
    const least = BigInt(tagValue(packet.event, 'min_receive') ?? -1)
    assert.ok(packet.amount >= least, `${packet.amount} arrived, ${least} were signed`)
    const answer = Buffer.from(reply.data).toString()
    const used = BigInt(tagValue(JSON.parse(answer), 'received') ?? -1)
    assert.ok(used >= least, `${used} went into the session, ${least} were signed`)
    if (before) assert.equal(before, { amount: packet.amount, answer })
    fulfilled.set(key, { amount: packet.amount, answer })
    assert.is(Buffer.compare(conditionOf(reply.fulfillment), packet.condition), 0)
    return reply
  }

  for (const one of steps) {
    switch (one.op) {
      case 'pay': {
        sequence += 1n
        const min = (one.amount * one.least) / 100n
        const event = me.voucher(id, sequence, believed + one.amount, [['min_receive', `${min}`]])
        const packet: Packet = {
          event,
          amount: (one.amount * one.passed) / 100n,
          condition: conditionOf(moneyFulfillment(secret, streamId, sequence)),
          expiresAt: time.now + 15_000,
        }
        sent.push(packet)
        if (one.fate === 'held') held.push(packet)
        else {
          const reply = await deliver(packet, one.dies)
          if (reply.type === 'fulfill' && one.fate === 'arrives')
            believed = BigInt(
              tagValue(JSON.parse(Buffer.from(reply.data).toString()), 'total_received') ?? 0,
            )
        }
        break
      }
      case 'deliver': {
        const [packet] = held.splice(one.index % Math.max(1, held.length), 1)
        if (packet) await deliver(packet)
        break
      }
      case 'replay': {
        const packet = sent[one.index % Math.max(1, sent.length)]
        if (packet) await deliver({ ...packet, amount: (packet.amount * one.passed) / 100n })
        break
      }
      case 'query': {
        sequence += 1n
        const event = me.voucher(id, sequence, believed)
        const condition = conditionOf(moneyFulfillment(secret, streamId, sequence))
        const reply = await deliver({ event, amount: 0n, condition, expiresAt: time.now + 15_000 })
        assert.is(reply.type, 'reject')
        const answer = JSON.parse(Buffer.from(reply.data).toString()) as NostrEvent
        const name = answer.kind === kinds.StreamClose ? 'final_sent' : 'current_offset'
        believed = BigInt(tagValue(answer, name) ?? -1)
        assert.is(believed, (await session()).received)
        break
      }
      case 'prepaid': {
        sequence += 1n
        await pay(me.voucher(id, sequence, believed + one.amount), ctx)
        break
      }
      case 'wait':
        time.now += one.ms
        break
      case 'close':
        await close(me.close(id))
        break
    }
    const { received } = await session()
    const credited = [...fulfilled.values()].reduce((sum, { amount }) => sum + amount, 0n)
    assert.is(
      await account(`rail:ilp:${peer}`),
      -credited,
      'what was fulfilled is what was credited',
    )
    assert.ok(received <= credited, `${received} received of ${credited} that came`)
  }
}

test.run()
