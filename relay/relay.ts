import { isEphemeral, kinds, type NostrEvent } from '../events/index.ts'
import {
  type Awaitable,
  accept,
  type Clock,
  type Decision,
  decisionOf,
  type Logger,
  type PolicyContext,
  reject,
} from '../plugins/plugin.ts'
import { BROKEN, refusal, toOk } from './answers.ts'
import { authProblem } from './auth.ts'
import { andThen } from './awaitable.ts'
import type { Config } from './config/config.ts'
import type { Connection } from './connection.ts'
import { describe } from './describe.ts'
import { answerFrames, textFrame } from './frame.ts'
import type { Handler } from './host.ts'
import { type Judge, visibleTo } from './judge.ts'
import { type ClientMessage, type MessageLimits, parseMessage } from './message.ts'
import { logMessage } from './message-log.ts'
import type { RelayMetrics } from './metrics.ts'
import type { SlowCalls } from './slow-calls.ts'
import type { QueryResult, RelayStore, StoredEvent, Visibility } from './store/store.ts'
import { type Subscription, subscriptionIndex } from './subscription.ts'
import { syncer } from './sync.ts'
import { rawOf } from './verify.ts'

type Request = Extract<ClientMessage, { type: 'REQ' | 'COUNT' }>

/** Whom a slow disk, or a filter that finds much, is put down to. */
const STORE = 'store'

/** NIP-42 lets one connection hold several pubkeys; this many are enough for any client. */
const MAX_PUBKEYS = 100

export interface RelayLimits extends MessageLimits {
  readonly maxSubscriptions: number
  readonly maxLimit: number
  /** False: nobody is asked to authenticate, and nobody can (NIP-42). */
  readonly authenticates: boolean
  /** What of the clients' messages is written to the log, without what may be secret in them. */
  readonly logging: Config['relay']['logging']
  /** Most events that one COUNT filter counts; 0 turns it off. */
  readonly maxCount: number
  /** Most events that one NEG-OPEN may be about; 0 turns it off. */
  readonly maxSyncEvents: number
}

/** What is in force. An event meets one set of rules whole: no reload comes between its policies and its handler. */
export interface Rules {
  readonly judge: Judge
  readonly handles: ReadonlyMap<number, Handler>
  readonly limits: RelayLimits
  /** Between these two the plugins behind the rules stay open. */
  begin(): void
  end(): void
}

/** NIP-01's verbs over a store and a judge. It knows connections, not sockets. */
export function createRelay(options: {
  store: RelayStore
  /** The judge of the moment, and the rules of the moment. */
  judge: Judge
  rules(): Rules
  verify(event: NostrEvent): boolean
  /** The addresses under which AUTH events may name us. */
  isOurUrl(url: string): boolean
  counts: RelayMetrics
  /** Told how long storing and asking took. */
  slow: SlowCalls
  clock: Clock
  log: Logger
}) {
  const { store, judge, rules, verify, counts, slow, clock, log } = options
  const index = subscriptionIndex()
  const sync = syncer({ store, judge, maxItems: () => rules().limits.maxSyncEvents, ask, clock })
  const inFlight = new Map<string, Promise<Decision>>()
  const sent = { stored: 0, live: 0 }
  store.onCommit(events => {
    for (const stored of events) fanOut(stored)
  })

  /** An event is written out once for each subscription id that it goes to, whoever holds it. */
  function fanOut(stored: StoredEvent): void {
    const frames = new Map<string, Buffer>()
    const guarded = isGuarded(stored.event.kind)
    for (const subscription of index.matching(stored.event))
      subscription.deliver(stored, guarded, frames)
  }

  /** Does any policy have a say on who sees events of this kind? Asked once for an event, not for each who may see it. */
  function isGuarded(kind: number): boolean {
    const { visibleKinds } = judge
    return visibleKinds === 'all' || visibleKinds.has(kind)
  }

  function frameOf(id: string, raw: string, frames?: Map<string, Buffer>): Buffer {
    const known = frames?.get(id)
    if (known) return known
    const frame = textFrame(`["EVENT",${JSON.stringify(id)},${raw}]`)
    frames?.set(id, frame)
    return frame
  }

  /** Answers one text message; a promise only where the answer comes later. Never throws, never rejects. */
  function receive(connection: Connection, text: string): Promise<void> | undefined {
    let message: ClientMessage = { type: 'bad', answer: 'NOTICE', msg: BROKEN }
    const failed = (error: unknown) => fail(connection, message, error)
    try {
      message = parseMessage(text, rules().limits)
      counts.messages.add(message.type)
      logMessage(log, rules().limits.logging, connection.ip, message)
      const running = answer(connection, message)
      if (running instanceof Promise) return running.catch(failed)
    } catch (error) {
      failed(error)
    }
    return undefined
  }

  function fail(connection: Connection, message: ClientMessage, error: unknown): void {
    log.error({ type: message.type, cause: describe(error) }, 'a message could not be answered')
    connection.send(refusal(message, BROKEN))
  }

  function answer(connection: Connection, message: ClientMessage): Awaitable<void> {
    switch (message.type) {
      case 'EVENT':
        return take(connection, message.event)
      case 'AUTH':
        return authenticate(connection, message.event)
      case 'REQ':
        return request(connection, message)
      case 'COUNT':
        return count(connection, message)
      case 'CLOSE':
        return end(connection, message.id)
      case 'NEG-OPEN':
      case 'NEG-MSG':
      case 'NEG-CLOSE':
        return sync.receive(connection, message)
      case 'bad':
        return connection.send(refusal(message, message.msg))
    }
  }

  function take(connection: Connection, event: NostrEvent): Awaitable<void> {
    const ctx = connection.context(Math.floor(clock.now() / 1000))
    return andThen(publish(event, ctx), decision => {
      counts.verdict(decision)
      if (decision.action === 'reject' && rules().limits.logging.invalidEvents)
        log.info({ ip: connection.ip, id: event.id, msg: decision.msg }, 'an event was refused')
      // The challenge goes out before the OK that asks for it (NIP-42).
      if (decision.action === 'reject' && decision.msg.startsWith('auth-required:')) ask(connection)
      connection.send(['OK', event.id, ...toOk(decision)])
    })
  }

  function ask(connection: Connection): void {
    if (rules().limits.authenticates) connection.askToAuthenticate()
  }

  /** Verifies, asks the policies and stores; the same event twice at a time is judged once. */
  function publish(event: NostrEvent, ctx: PolicyContext): Awaitable<Decision> {
    // Not by its id alone: a forged copy must not answer for the true one.
    const key = event.id + event.sig
    const running = inFlight.get(key)
    if (running) return running
    const met = rules()
    const decision = decide(event, ctx, met)
    if (!(decision instanceof Promise)) return decision
    met.begin()
    const ending = decision.finally(() => {
      inFlight.delete(key)
      met.end()
    })
    inFlight.set(key, ending)
    return ending
  }

  function decide(event: NostrEvent, ctx: PolicyContext, met: Rules): Awaitable<Decision> {
    if (event.kind === kinds.Auth) return reject('invalid: kind 22242 is sent as AUTH, not EVENT')
    return andThen(store.has(event.id), known => {
      if (known) return accept
      if (!verify(event)) return reject('invalid: the signature does not verify')
      return andThen(met.judge.write(event, ctx), decision =>
        decision.action === 'accept' ? keep(event, ctx, met) : decision,
      )
    })
  }

  function keep(event: NostrEvent, ctx: PolicyContext, met: Rules): Awaitable<Decision> {
    const answer = met.handles.get(event.kind)?.(event, ctx) ?? 'store'
    if (answer !== 'store') return answer
    if (isEphemeral(event.kind)) {
      broadcast(event)
      return accept
    }
    const startedAt = performance.now()
    return store.putEvent(event).then(outcome => {
      slow.took(STORE, 'put', performance.now() - startedAt, event)
      return decisionOf(outcome)
    })
  }

  /** Ephemeral events pass by: no seq, so every live subscription may have them. */
  function broadcast(event: NostrEvent): void {
    fanOut({ seq: Number.POSITIVE_INFINITY, event, raw: rawOf(event) })
  }

  function authenticate(connection: Connection, event: NostrEvent): void {
    const problem =
      (rules().limits.authenticates ? undefined : 'this relay does not authenticate anybody') ??
      authProblem(event, connection.challenge, options.isOurUrl, Math.floor(clock.now() / 1000)) ??
      (connection.pubkeys.length < MAX_PUBKEYS
        ? undefined
        : `one connection holds at most ${MAX_PUBKEYS} pubkeys`) ??
      (verify(event) ? undefined : 'the signature does not verify')
    if (!problem) connection.authenticate(event.pubkey)
    connection.send(['OK', event.id, !problem, problem ? `invalid: ${problem}` : ''])
  }

  /** True when the read policies let it pass; else the refusal has been sent. */
  function mayRead(
    connection: Connection,
    { type: verb, id, filters }: Request,
  ): Awaitable<boolean> {
    const ctx = connection.context(Math.floor(clock.now() / 1000))
    return andThen(judge.read({ verb, filters }, ctx), decision => {
      if (decision.action === 'accept') return true
      const msg = decision.action === 'reject' ? decision.msg : 'restricted: not for you'
      if (msg.startsWith('auth-required:')) ask(connection)
      connection.send(['CLOSED', id, msg])
      return false
    })
  }

  function visibilityOf(connection: Connection): Visibility {
    connection.visibility ??= visibleTo(judge, () => connection.pubkeys)
    return connection.visibility
  }

  function request(connection: Connection, message: Request): Awaitable<void> {
    const { id, filters } = message
    const { limits } = rules()
    end(connection, id)
    if (connection.subscriptions.size >= limits.maxSubscriptions)
      return connection.send([
        'CLOSED',
        id,
        `error: at most ${limits.maxSubscriptions} subscriptions at a time, close one first`,
      ])
    const visibility = visibilityOf(connection)
    const subscription = liveSubscription(connection, message, visibility)
    connection.subscriptions.set(id, subscription)
    return andThen(mayRead(connection, message), allowed => {
      if (!allowed) return end(connection, id, subscription)
      // 1. From here on live events wait. 2. The query sees a snapshot. 3. What waited and is newer follows.
      if (connection.closed || connection.subscriptions.get(id) !== subscription) return
      index.add(subscription)
      const startedAt = performance.now()
      const result = store.query(filters, { visibility, maxLimit: limits.maxLimit })
      return andThen(result, stored => {
        const ms = performance.now() - startedAt
        counts.queried(filters, ms)
        slow.took(STORE, 'query', ms, filters)
        if (limits.logging.dbScanPerf)
          log.info({ filters, ms, events: stored.raws.length }, 'a query')
        sent.stored += stored.raws.length
        begin(connection, subscription, stored)
      })
    })
  }

  function begin(connection: Connection, subscription: Subscription, result: QueryResult): void {
    const { id } = subscription
    if (connection.subscriptions.get(id) !== subscription) return
    const name = JSON.stringify(id)
    const last = result.complete ? `["EOSE",${name},["finish"]]` : `["EOSE",${name}]`
    connection.sendFrame(answerFrames(`["EVENT",${name},`, result.raws, last))
    subscription.seq = result.seq
    for (const stored of subscription.waiting.splice(0))
      subscription.deliver(stored, isGuarded(stored.event.kind))
  }

  /** The one door for live events. */
  function liveSubscription(
    connection: Connection,
    { id, filters }: Request,
    visibility: Visibility,
  ): Subscription {
    return {
      id,
      filters,
      seq: undefined,
      waiting: [],
      deliver(stored, guarded, frames) {
        if (this.seq === undefined) {
          this.waiting.push(stored)
          return
        }
        if (stored.seq <= this.seq) return
        if (guarded && !visibility.test(stored.event)) return
        sent.live += 1
        connection.sendFrame(frameOf(this.id, stored.raw, frames))
      },
    }
  }

  function count(connection: Connection, message: Request): Awaitable<void> {
    if (rules().limits.maxCount === 0)
      return connection.send(['CLOSED', message.id, 'blocked: this relay does not count'])
    return andThen(mayRead(connection, message), allowed => {
      if (!allowed) return
      const startedAt = performance.now()
      const counted = store.count(message.filters, {
        visibility: visibilityOf(connection),
        max: rules().limits.maxCount,
      })
      return andThen(counted, result => {
        slow.took(STORE, 'count', performance.now() - startedAt, message.filters)
        connection.send(['COUNT', message.id, result])
      })
    })
  }

  function end(connection: Connection, id: string, only?: Subscription): void {
    const subscription = connection.subscriptions.get(id)
    if (!subscription || (only && only !== subscription)) return
    connection.subscriptions.delete(id)
    index.remove(subscription)
  }

  return {
    receive,
    /** Answers one text message with a refusal and does nothing else; `msg` follows a NIP-01 prefix. */
    refuse(connection: Connection, text: string, msg: string): void {
      connection.send(refusal(parseMessage(text, rules().limits), msg))
    },
    publish,
    broadcast,
    subscriptions: index.size,
    inFlight: () => inFlight.size,
    sent: () => sent,
    /** Asks a client who it is, where this relay wants to know. */
    ask,
    /** Forgets a connection that is gone. */
    drop(connection: Connection): void {
      for (const id of [...connection.subscriptions.keys()]) end(connection, id)
    },
  }
}

export type Relay = ReturnType<typeof createRelay>
