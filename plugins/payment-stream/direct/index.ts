import {
  type NostrEvent,
  type Parsed,
  parseStreamAccept,
  parseStreamClose,
  parseStreamFlowControl,
  parseStreamMoney,
  parseStreamReceipt,
} from '../../../events/index.ts'
import { streamClock, streams } from '../../live-stream/stream.ts'
import { accept, type Decision, decisionOf, reject, type Tx } from '../../plugin.ts'
import type { Desk } from '../desk.ts'
import { sessionsOfViewer } from '../session.ts'
import { digestOf } from '../voucher.ts'
import { type Ruling, ruleAccept, ruleFlow, ruleMoney, ruleReceipt } from './rules.ts'
import {
  type DirectSession,
  directSessions,
  MAX_WAITING,
  type Moment,
  type Promised,
  watchedMs,
} from './session.ts'

type Handler = (event: NostrEvent) => Promise<Decision>

/** One kind: how it is read, what speaks against it, and the session once it is stored (with events to let go). */
interface Verb<T extends { readonly session: string }> {
  parse(event: NostrEvent): Parsed<T>
  rule(session: DirectSession, said: T, event: NostrEvent, at: Moment): Ruling
  next(session: DirectSession, said: T, event: NostrEvent, at: Moment): DirectSession
  /** Events that this one takes the place of: of most kinds only the latest is kept. */
  replaces?(before: DirectSession, after: DirectSession): readonly (string | undefined)[]
}

const money: Verb<ReturnTypeOf<typeof parseStreamMoney>> = {
  parse: parseStreamMoney,
  rule: (session, said) => ruleMoney(session, said),
  next(session, said, event) {
    const { sequence, totalSent } = said
    const promise = { event: event.id, sequence, totalSent, digest: digestOf(said) }
    return { ...session, waiting: [...session.waiting, promise].slice(-MAX_WAITING) }
  },
  replaces: ({ waiting }, after) => unkept(waiting, after),
}

const acceptance: Verb<ReturnTypeOf<typeof parseStreamAccept>> = {
  parse: parseStreamAccept,
  rule: (session, said, { pubkey }) => ruleAccept(session, pubkey, said),
  next: (session, said, { id }) =>
    said.status === 'accepted'
      ? { ...session, status: 'open', maxReceive: said.maxReceive, accept: id }
      : { ...session, status: 'closed', accept: id },
}

const receipt: Verb<ReturnTypeOf<typeof parseStreamReceipt>> = {
  parse: parseStreamReceipt,
  rule: (session, said, { pubkey }, at) => ruleReceipt(session, pubkey, said, at),
  next(session, said, { id }, at) {
    const { money: paid, totalReceived, paidUntil, sequence } = said
    const promise = session.waiting.find(one => one.event === paid)
    return {
      ...session,
      received: totalReceived,
      paidUntil,
      receiptAt: at.nowMs,
      receiptClock: at.clock,
      watchedMs: watchedMs(session, at),
      settled: promise && { ...promise, receipt: id },
      // A promise is cumulative: those before it are answered with it.
      waiting: session.waiting.filter(one => one.sequence > sequence),
    }
  },
  replaces: ({ waiting, settled }, after) => [
    settled?.event,
    settled?.receipt,
    ...unkept(waiting, after),
  ],
}

/** Of these promises, those that the session does not hold any more. */
const unkept = (promises: readonly Promised[], { waiting, settled }: DirectSession): string[] =>
  promises
    .map(({ event }) => event)
    .filter(event => settled?.event !== event && waiting.every(one => one.event !== event))

const flow: Verb<ReturnTypeOf<typeof parseStreamFlowControl>> = {
  parse: parseStreamFlowControl,
  rule: (session, said, { pubkey }) => ruleFlow(session, pubkey, said),
  next: (session, said, { id }) => ({ ...session, flow: id, maxReceive: said.maxReceive }),
  replaces: ({ flow: last }) => [last],
}

const close: Verb<ReturnTypeOf<typeof parseStreamClose>> = {
  parse: parseStreamClose,
  rule(session, _, { pubkey }) {
    if (pubkey !== session.viewer && pubkey !== session.payee)
      return { rule: 'no', msg: 'restricted: only the parties of a session close it' }
    const [first] = session.closes
    // Each side gives its account of the end once.
    return first && session.closes.some(one => one.author === pubkey)
      ? { rule: 'known', msg: `duplicate: this session is closed already, see ${first.event}` }
      : { rule: 'store' }
  },
  next: (session, _, { id, pubkey }) => ({
    ...session,
    status: 'closed',
    closes: [...session.closes, { author: pubkey, event: id }],
  }),
}

type ReturnTypeOf<F> = F extends (event: NostrEvent) => Parsed<infer T> ? T : never

/**
 * Sessions between a viewer and a stream's host, which is its own payee: this relay enforces shape, authorship and order
 * of what they sign, and keeps the latest of it. It moves no money and signs nothing in them.
 */
export function direct(desk: Desk) {
  const handle =
    <T extends { readonly session: string }>(verb: Verb<T>): Handler =>
    event => {
      const said = verb.parse(event)
      if (!said.ok) return Promise.resolve(reject(`invalid: ${said.msg}`))
      return desk.host.store.transaction(tx => take(tx, verb, said.value, event))
    }

  async function take<T extends { readonly session: string }>(
    tx: Tx,
    verb: Verb<T>,
    said: T,
    event: NostrEvent,
  ): Promise<Decision> {
    const session = await directSessions.get(tx, said.session)
    if (!session) return reject('invalid: this names no session of this relay')
    const nowMs = desk.host.clock.now()
    const stream = await streams.get(tx, session.address)
    const at = { nowMs, clock: stream ? streamClock(stream, nowMs) : session.receiptClock }
    const ruling = verb.rule(session, said, event, at)
    if (ruling.rule === 'no') return reject(ruling.msg)
    if (ruling.rule === 'known') return { action: 'accept', msg: ruling.msg }
    const outcome = await tx.putEvent(event)
    if (outcome !== 'stored') return decisionOf(outcome)
    const after = { ...verb.next(session, said, event, at), touchedAt: nowMs }
    for (const id of verb.replaces?.(session, after) ?? []) if (id) await tx.removeEvent(id)
    await directSessions.put(tx, session.id, after)
    if (session.status !== 'closed' && after.status === 'closed') await end(tx, desk, after)
    return accept
  }

  /** The stream is over, or nobody said anything for long: then the session is, too. */
  async function review({ key: id }: { key: string }): Promise<void> {
    await desk.host.store.transaction(async tx => {
      const session = await directSessions.get(tx, id)
      if (!session || session.status === 'closed') return
      const stream = await streams.get(tx, session.address)
      const nowMs = desk.host.clock.now()
      const until = Math.max(session.touchedAt, (session.paidUntil ?? 0) * 1000)
      if (
        !stream ||
        stream.status === 'ended' ||
        nowMs >= until + desk.options.idleSeconds * 1000
      ) {
        await directSessions.put(tx, id, { ...session, status: 'closed' })
        await end(tx, desk, session)
      } else {
        const runAt = nowMs + desk.options.watchSeconds * 1000
        await tx.enqueue({ name: 'review', key: id, runAt })
      }
    })
  }

  return {
    money: handle(money),
    accept: handle(acceptance),
    receipt: handle(receipt),
    flow: handle(flow),
    close: handle(close),
    review,
  }
}

async function end(tx: Tx, { host, options }: Desk, { id, viewer }: DirectSession): Promise<void> {
  await sessionsOfViewer.delete(tx, `${viewer} ${id}`)
  const runAt = host.clock.now() + options.retentionHours * 3_600_000
  await tx.enqueue({ name: 'forget', key: id, runAt })
}

/** Retention: the ids of all that is stored of it. */
export const eventsOf = ({ id, accept, flow, settled, waiting, closes }: DirectSession): string[] =>
  [
    id,
    accept,
    flow,
    settled?.event,
    settled?.receipt,
    ...waiting.map(({ event }) => event),
    ...closes.map(({ event }) => event),
  ].filter(event => event !== undefined)
