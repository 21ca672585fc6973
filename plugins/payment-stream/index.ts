import { Counter, Gauge } from 'prom-client'
import {
  kinds,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parseStreamClose,
  parseStreamMoney,
  parseStreamOpen,
  tagValue,
} from '../../events/index.ts'
import { tokenBuckets } from '../../policies/token-bucket.ts'
import {
  accept,
  type Decision,
  definePlugin,
  type Host,
  type Policy,
  type PolicyContext,
  type Reader,
  reject,
} from '../plugin.ts'
import { api } from './api.ts'
import { closer, forgetter } from './close.ts'
import type { Desk } from './desk.ts'
import { direct } from './direct/index.ts'
import { directSessions } from './direct/session.ts'
import { earningsApi } from './earnings.ts'
import { verifyLedger } from './ledger.ts'
import { opener, refusedOpen } from './open.ts'
import { type PaymentOptions, paymentOptions } from './options.ts'
import { cashier, payments } from './pay.ts'
import { ilpHooks } from './rails/ilp/index.ts'
import { railsOf } from './rails/index.ts'
import { sessionsOfStream } from './session.ts'
import { watcher } from './watch.ts'

/**
 * Sells watching by time: payment sessions (5610 to 5615), a ledger in double entry, rails. The relay is the payee, or
 * the stream's own host where that is allowed (direct/).
 * Source: NIP-56XX as in docs/events.md.
 */
export default definePlugin({
  name: 'payment-stream',
  options: paymentOptions,
  policies: (host, options) => [shapePolicy, payeePolicy(host), pacePolicy(host, options)],
  async setup(host, options) {
    const desk: Desk = { host, options, ...railsOf(options) }
    const watch = watcher(desk)
    const count = meters(host)
    const pay = payments(desk)
    const hosts = direct(desk)
    const settle = closer(desk)
    const close: Handler = async event =>
      (await isDirect(host.store, event)) ? hosts.close(event) : settle(event)
    const cash = cashier(desk)
    const money: Handler = async (event, ctx) =>
      tagValue(event, 'p') !== host.self && (await isDirect(host.store, event))
        ? hosts.money(event)
        : cash(event, ctx)
    const take = { open: count('open', opener(desk)), close: count('close', close), pay }
    const ilp = ilpHooks(desk, take)
    const credit = api(desk)
    if (options.verifyAtStart) await auditLedger(host)

    return {
      handles: {
        [kinds.StreamOpen]: take.open,
        [kinds.StreamAccept]: count('accept', hosts.accept),
        [kinds.StreamMoney]: count('money', money),
        [kinds.StreamReceipt]: count('receipt', hosts.receipt),
        [kinds.StreamFlowControl]: count('flow', hosts.flow),
        [kinds.StreamClose]: take.close,
      },
      onStored: { [kinds.LiveStream]: watch.announced, [kinds.Deletion]: watch.announced },
      refused: { [kinds.StreamOpen]: (event, msg) => refusedOpen(event, msg, host.clock.now()) },
      jobs: { watch: watch.watch, forget: forgetter(desk), review: hosts.review },
      routes(app) {
        credit(app)
        earningsApi(desk)(app)
        ilp.routes(app)
      },
      sockets: ilp.sockets,
      info: () => ({ payment_rails: desk.rails.map(describeRail) }),
      async start() {
        await watch.resume()
        await ilp.start()
      },
    }
  },
})

const describeRail = ({ offer, asset, scale, redeemable }: Desk['rails'][number]) => ({
  id: offer.id,
  finality: offer.finality,
  asset,
  scale,
  redeemable,
})

const readers: Readonly<Record<number, (event: NostrEvent) => Parsed<unknown>>> = {
  [kinds.StreamOpen]: parseStreamOpen,
  [kinds.StreamMoney]: parseStreamMoney,
  [kinds.StreamClose]: parseStreamClose,
}

/** What a viewer writes must be readable; the sentence says what is wrong with it. */
const shapePolicy: Policy = {
  name: 'payment-shape',
  writeKinds: Object.keys(readers).map(Number),
  write(event) {
    const said = readers[event.kind]?.(event)
    return !said || said.ok ? accept : reject(`invalid: ${said.msg}`)
  },
}

/**
 * What a payee says comes from the payee. Where that is the relay, it puts its events into the store itself: over the wire
 * they are nobody's.
 */
const payeePolicy = (host: Host): Policy => ({
  name: 'payee-speaks',
  writeKinds: [kinds.StreamAccept, kinds.StreamReceipt, kinds.StreamFlowControl],
  async write(event) {
    const session = await directSessions.get(host.store, markedEvent(event, 'open') ?? '')
    if (session?.payee === event.pubkey) return accept
    const payee = session ? 'its host' : 'this relay'
    return reject(`restricted: kind ${event.kind} comes from the payee, ${payee}`)
  },
})

/** One viewer's payments must not crowd out the others'. */
function pacePolicy(host: Host, { maxPaymentsPerSecond: ratePerSecond }: PaymentOptions): Policy {
  const name = 'payment-pace'
  if (ratePerSecond === 0) return { name, write: () => accept, writeKinds: [] }
  const pace = tokenBuckets({ ratePerSecond, burst: ratePerSecond, maxKeys: 100_000 })
  return {
    name,
    writeKinds: [kinds.StreamMoney],
    write: ({ pubkey }) =>
      pace.take(pubkey, host.clock.now())
        ? accept
        : reject(`rate-limited: ${ratePerSecond} payments a second are taken, wait a moment`),
  }
}

/** Is the event about a session whose payee is the stream's host? */
const isDirect = async (reader: Reader, event: NostrEvent): Promise<boolean> =>
  (await directSessions.get(reader, markedEvent(event, 'open') ?? '')) !== undefined

async function auditLedger(host: Host): Promise<void> {
  for (const problem of await verifyLedger(host.store))
    host.log.error({ problem }, 'the ledger does not add up')
}

type Handler = (event: NostrEvent, ctx: PolicyContext) => Promise<Decision>

function meters(host: Host) {
  const decisions = new Counter({
    name: 'sluice_payment_events_total',
    help: 'Events of payment sessions by what was decided',
    labelNames: ['event', 'decision'],
    registers: [host.metrics],
  })
  new Gauge({
    name: 'sluice_payment_sessions_open',
    help: 'Open payment sessions',
    registers: [host.metrics],
    async collect() {
      this.set((await sessionsOfStream.list(host.store)).length)
    },
  })
  return (event: string, handler: Handler): Handler =>
    async (incoming, ctx) => {
      const decision = await handler(incoming, ctx)
      decisions.inc({ event, decision: decision.action })
      return decision
    }
}
