import { setTimeout as sleep } from 'node:timers/promises'
import { Counter, Gauge, type Registry } from 'prom-client'
import { type EventTemplate, kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import type { Clock, Document, Logger, Store, Tx } from '../../plugins/plugin.ts'
import { describe } from '../describe.ts'
import type { Link } from './link.ts'

/** `<time> <count>` -> an event of ours that the relay has not yet taken. */
const OUTBOX = 'companion-outbox'
/** Id -> kind of an event of ours that was taken out and is still at the relay. */
const REMOVED = 'companion-removed'
/** Id -> an event of ours that the relay will not take, with its sentence. */
const REFUSED = 'companion-refused'

const AT_ONCE = 50
const RETRY_MS = 1000
/** Removals are told together, and late enough that who waits for the event has it. */
const REMOVAL_MS = 5000

type Outcome = 'ok' | 'later' | { readonly why: string }

/**
 * What the plugins publish and take out, on its way to strfry. It is written into the transaction that decided it,
 * and sent until strfry has said OK: an event has one id, so twice is once. A job would be given up after a while;
 * a relay that is down for a day is no reason to.
 */
export function createOutbox(options: {
  store: Store
  self: string
  sign(template: EventTemplate): NostrEvent
  link: () => Link
  clock: Clock
  log: Logger
  metrics: Registry
}) {
  const { store, self, sign, link, clock, log } = options
  const sent = new Counter({
    name: 'sluice_companion_sent_total',
    help: 'Events that the relay was given, by outcome (ok, refused)',
    labelNames: ['outcome'],
    registers: [options.metrics],
  })
  new Gauge({
    name: 'sluice_companion_outbox',
    help: 'Events that the relay has not yet taken',
    registers: [options.metrics],
    async collect() {
      this.set((await store.list(OUTBOX)).length)
    },
  })
  let count = 0
  let sending: Promise<void> | undefined
  let again = false
  let closed = false
  // A slow start takes longer than the first sweep: before the link is made there is nobody to tell.
  let ready = false
  const sweep = setInterval(
    () => ready && void tellRemoved().catch(failed('removals were not told')),
    REMOVAL_MS,
  )

  /** In the order of their transactions, also over a restart. */
  function nextKey(): string {
    count += 1
    return `${String(clock.now()).padStart(15, '0')} ${String(count).padStart(9, '0')}`
  }

  /** The same store, but what it takes of our own events goes to strfry as well. */
  function wrap(inner: Store): Store {
    return {
      ...inner,
      async transaction(fn) {
        let said = false
        const result = await inner.transaction(tx => {
          said = false
          return fn(watched(tx, () => (said = true)))
        })
        if (said) send()
        return result
      },
    }
  }

  function watched(tx: Tx, onSaid: () => void): Tx {
    return {
      ...tx,
      async putEvent(event) {
        const outcome = await tx.putEvent(event)
        if (outcome !== 'stored' || event.pubkey !== self) return outcome
        await tx.put(OUTBOX, nextKey(), JSON.stringify(event))
        onSaid()
        return outcome
      },
      async removeEvent(id) {
        const event = await tx.event(id)
        const removed = await tx.removeEvent(id)
        if (removed && event?.pubkey === self) await tx.put(REMOVED, id, String(event.kind))
        return removed
      },
    }
  }

  /** Sends what waits; called when something is there, and when the relay is. */
  function send(): void {
    again = true
    if (sending || closed || !ready) return
    sending = sendAll()
      .catch(failed('the outbox stands still'))
      .finally(() => {
        sending = undefined
        // The relay came, or something to send, between the last look and now.
        if (again && link().open) send()
      })
  }

  async function sendAll(): Promise<void> {
    while (again && !closed && link().open) {
      again = false
      let later = false
      for (let after: string | undefined; ; ) {
        const rows = await store.list(OUTBOX, { limit: AT_ONCE, after })
        if (rows.length === 0) break
        // What is to be tried later holds up nothing behind it.
        after = rows.at(-1)?.key
        const outcomes = await Promise.all(rows.map(row => offer(JSON.parse(row.value))))
        const settled = rows.map((row, i) => ({ ...row, outcome: outcomes[i] ?? 'later' }))
        later ||= outcomes.includes('later')
        await store.transaction(tx => conclude(tx, settled))
      }
      if (!later || closed) continue
      again = true
      await sleep(RETRY_MS)
    }
  }

  async function conclude(tx: Tx, settled: (Document & { outcome: Outcome })[]): Promise<void> {
    for (const { key, value, outcome } of settled) {
      if (outcome === 'later') continue
      await tx.delete(OUTBOX, key)
      if (outcome === 'ok') continue
      const { id } = JSON.parse(value) as NostrEvent
      await tx.put(REFUSED, id, JSON.stringify({ why: outcome.why, event: value }))
    }
  }

  async function offer(event: NostrEvent): Promise<Outcome> {
    const expires = Number(tagValue(event, 'expiration') ?? Number.POSITIVE_INFINITY)
    if (expires * 1000 <= clock.now()) return 'ok'
    const answer = await link()
      .publish(event)
      .catch(() => undefined)
    if (answer?.ok || answer?.msg.startsWith('duplicate:')) {
      sent.inc({ outcome: 'ok' })
      return 'ok'
    }
    const { id, kind } = event
    if (!answer || /^(error|rate-limited|auth-required):/.test(answer.msg)) {
      if (answer)
        log.warn({ id, kind, msg: answer.msg }, 'the relay did not take an event, again soon')
      return 'later'
    }
    sent.inc({ outcome: 'refused' })
    log.error({ id, kind, msg: answer.msg }, 'the relay refuses an event of ours: check its policy')
    return { why: answer.msg }
  }

  /** NIP-09: what was taken out here goes at the relay too. */
  async function tellRemoved(): Promise<void> {
    if ((await store.list(REMOVED, { limit: 1 })).length === 0) return
    await store.transaction(async tx => {
      const rows = await tx.list(REMOVED, { limit: 200 })
      const of = [...new Set(rows.map(({ value }) => value))]
      const event = sign({
        kind: kinds.Deletion,
        created_at: Math.floor(clock.now() / 1000),
        tags: [...rows.map(({ key }) => ['e', key]), ...of.map(kind => ['k', kind])],
        content: '',
      })
      await tx.put(OUTBOX, nextKey(), JSON.stringify(event))
      for (const { key } of rows) await tx.delete(REMOVED, key)
    })
    send()
  }

  const failed = (text: string) => (error: unknown) => log.error({ cause: describe(error) }, text)

  return {
    wrap,
    /** Sends what waits; called each time the relay is there. */
    send(): void {
      ready = true
      send()
    },
    close(): void {
      closed = true
      clearInterval(sweep)
    },
    /** Once closed: nothing is under way any more. */
    settled: async (): Promise<void> => sending,
  }
}
