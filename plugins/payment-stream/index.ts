import { Counter, Gauge } from 'prom-client'
import {
  kinds,
  type NostrEvent,
  type Parsed,
  parseStreamClose,
  parseStreamMoney,
  parseStreamOpen,
} from '../../events/index.ts'
import {
  accept,
  type Decision,
  definePlugin,
  type Host,
  type Policy,
  type PolicyContext,
  reject,
} from '../plugin.ts'
import { api } from './api.ts'
import { closer, forgetter } from './close.ts'
import type { Desk } from './desk.ts'
import { earningsApi } from './earnings.ts'
import { verifyLedger } from './ledger.ts'
import { opener, refusedOpen } from './open.ts'
import { type PaymentOptions, paymentOptions } from './options.ts'
import { cashier, payments } from './pay.ts'
import { creditRail } from './rails/credit.ts'
import { ilpHooks } from './rails/ilp/index.ts'
import { ilpRail } from './rails/ilp/rail.ts'
import { sessionsOfStream } from './session.ts'
import { watcher } from './watch.ts'

/**
 * Sells watching by time: payment sessions (5610 to 5615), a ledger in double entry, rails. The relay is the payee.
 * Source: NIP-56XX as in docs/events.md.
 */
export default definePlugin({
  name: 'payment-stream',
  options: paymentOptions,
  policies: () => [shapePolicy, payeePolicy],
  async setup(host, options) {
    const desk = deskFor(host, options)
    const watch = watcher(desk)
    const count = meters(host)
    const pay = payments(desk)
    const take = { open: count('open', opener(desk)), close: count('close', closer(desk)), pay }
    const ilp = ilpHooks(desk, take)
    const credit = api(desk)
    if (options.verifyAtStart) await auditLedger(host)

    return {
      handles: {
        [kinds.StreamOpen]: take.open,
        [kinds.StreamMoney]: count('money', cashier(desk)),
        [kinds.StreamClose]: take.close,
      },
      onStored: { [kinds.LiveStream]: watch.announced, [kinds.Deletion]: watch.announced },
      refused: { [kinds.StreamOpen]: (event, msg) => refusedOpen(event, msg, host.clock.now()) },
      jobs: { watch: watch.watch, forget: forgetter(desk) },
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

/** The rails that strfry.conf names, in its order. */
function deskFor(host: Host, options: PaymentOptions): Desk {
  const on = (name: PaymentOptions['rails'][number]) => options.rails.includes(name)
  const credit = on('credit') ? creditRail(options.credit) : undefined
  const ilp = on('ilp') ? ilpRail(options.ilp) : undefined
  const known = { credit, ilp }
  const rails = options.rails.map(name => known[name]).filter(rail => rail !== undefined)
  return { host, options, rails, credit, ilp }
}

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

/** The payee here is the relay, which puts its events into the store itself: over the wire they are nobody's. */
const payeePolicy: Policy = {
  name: 'payee-is-the-relay',
  writeKinds: [kinds.StreamAccept, kinds.StreamReceipt, kinds.StreamFlowControl],
  write: event => reject(`restricted: kind ${event.kind} comes from the payee, this relay`),
}

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
