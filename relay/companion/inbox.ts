import { setTimeout as sleep } from 'node:timers/promises'
import { type Filter, isEphemeral, type NostrEvent, privateKinds } from '../../events/index.ts'
import {
  type Clock,
  type Decision,
  decisionOf,
  type Logger,
  type PolicyContext,
  reject,
  type SourceType,
  type Store,
} from '../../plugins/plugin.ts'
import { describe } from '../describe.ts'
import type { Handler } from '../host.ts'
import type { Judge } from '../judge.ts'
import type { RelayStore } from '../store/store.ts'
import type { Link } from './link.ts'
import { progress } from './progress.ts'

const PAGE = 500
const EOSE_MS = 30_000
const AUTH_MS = 5000
/** Events at a time. */
const AT_ONCE = 64
const RETRY_MS = 1000
/** An event that breaks its handler so often, while the store works, is at fault itself. */
const MAX_ATTEMPTS = 12
const givenUp = reject('error: this could not be handled')

/** What the plugins of the moment do with events. */
export interface Reactions {
  readonly judge: Judge
  readonly handles: ReadonlyMap<number, Handler>
  /** Kinds that are wanted besides those that are handled. */
  readonly wanted: readonly number[]
  /** Kinds that are only looked up. */
  readonly reads: readonly number[]
  /** What its author hears of an event that strfry took and a handler refuses, signed. */
  refusal(event: NostrEvent, msg: string): NostrEvent | undefined
}

/** Of one second, a session is opened, paid and closed in the order of its kinds. */
const inOrder = (a: NostrEvent, b: NostrEvent): number =>
  a.created_at - b.created_at || a.kind - b.kind

/**
 * Brings strfry's events to the plugins: first what came while we were away, oldest first, then live. Each is judged
 * and handled as our own relay does, once: the store and the list of seen ids know it when it comes again.
 */
export function createInbox(options: {
  store: RelayStore
  self: string
  /** Those of the moment. */
  reactions(): Reactions
  /** The same for work that takes a while: they stay open until it has ended. */
  holding<T>(work: (now: Reactions) => Promise<T>): Promise<T>
  /** Where what is said in it goes to strfry too. */
  ours: Store
  verify(event: NostrEvent): boolean
  link: () => Link
  overlapSeconds: number
  clock: Clock
  log: Logger
}) {
  const { store, self, reactions, verify, link, clock, log } = options
  const gone = new AbortController()
  const done = progress(store.forPlugin('companion'), options)
  const chains = new Map<string, Promise<unknown>>()
  let working = 0
  const room: (() => void)[] = []
  let round = 0
  let endLive: (() => void)[] = []
  /** What the relay was asked for, while the connection stands. */
  let asked: string | undefined

  /** The relay is there, or knows better who we are: everything is asked (again). */
  async function begin(): Promise<void> {
    round += 1
    const mine = round
    const wants = wanted(reactions(), self)
    const { live, lookups, looked } = wants
    asked = JSON.stringify(wants)
    try {
      // 1. From here on nothing is missed; it waits until the past is told.
      const waiting: NostrEvent[] = []
      let past = true
      const hear = (event: NostrEvent) => (past ? void waiting.push(event) : arrive(event))
      const before = endLive
      let opening = live.length + lookups.length
      // Until these stand, those before them hear on; what both hear is known.
      const opened = () => {
        if (opening <= 0) for (const end of before) end()
      }
      // Each in a REQ of its own: among others, a relay leaves private kinds out instead of asking for AUTH.
      endLive = [...live, ...lookups].map(filter =>
        link().subscribe({
          filters: [{ ...filter, limit: 1 }],
          onEvent: hear,
          onEose() {
            opening -= 1
            opened()
          },
          onClosed: msg => broken(mine, msg),
        }),
      )
      opened()
      // 2. The past, oldest first; what its own past explains is tried again at the end.
      const since = await done.since()
      for (const filter of lookups) await lookUp(filter, await done.lookedUpSince(looked))
      const found = new Map<string, NostrEvent>()
      for (const filter of live)
        for (const one of await fetchAll(filter, since)) found.set(one.id, one)
      const events = [...found.values()].sort(inOrder)
      const puzzling: NostrEvent[] = []
      await Promise.all(events.map(event => inTurn(event, () => take(event, puzzling))))
      // 3. What waited, and from now on everything as it comes.
      past = false
      if (mine === round)
        for (const event of puzzling) arrive(event, (since + options.overlapSeconds) * 1000)
      for (const event of waiting) arrive(event)
      if (mine !== round) return
      await done.caughtUp(looked)
      log.info({ events: events.length, since }, 'reactions are up to date with the relay')
    } catch (error) {
      if (mine === round) broken(mine, describe(error))
    }
  }

  /** What asks for AUTH brings a challenge with it; once that is answered, everything begins anew. */
  function broken(mine: number, msg: string): void {
    if (mine !== round || gone.signal.aborted) return
    const asksForAuth = msg.startsWith('auth-required:')
    if (!asksForAuth) log.error({ msg }, 'the relay does not serve the reactions, trying again')
    const delay = asksForAuth ? AUTH_MS : RETRY_MS
    setTimeout(() => mine === round && link().reset(), delay).unref()
  }

  /** All that match since then, page by page from the newest. */
  async function fetchAll(filter: Filter, since: number): Promise<NostrEvent[]> {
    const found = new Map<string, NostrEvent>()
    for (let until: number | undefined; ; ) {
      const page = await fetchPage({ ...filter, since, ...(until !== undefined && { until }) })
      const known = found.size
      for (const event of page) found.set(event.id, event)
      if (page.length === 0) return [...found.values()]
      const oldest = Math.min(...page.map(event => event.created_at))
      // The oldest second may be cut in the middle, so it is asked for once more.
      until = found.size > known ? oldest : oldest - 1
      if (until < since) return [...found.values()]
    }
  }

  function fetchPage(filter: Filter): Promise<NostrEvent[]> {
    return new Promise((resolve, fail) => {
      const events: NostrEvent[] = []
      const finish = (settle: () => void) => {
        clearTimeout(timer)
        end()
        settle()
      }
      const timer = setTimeout(() => finish(() => fail(new Error('no EOSE'))), EOSE_MS)
      timer.unref()
      const end = link().subscribe({
        filters: [{ ...filter, limit: PAGE }],
        onEvent: event => events.push(event),
        onEose: () => finish(() => resolve(events)),
        onClosed: msg => finish(() => fail(new Error(msg))),
      })
    })
  }

  async function lookUp(filter: Filter, since: number): Promise<void> {
    for (const event of await fetchAll(filter, since)) await inTurn(event, () => take(event))
  }

  /** The cursor stays before `at` (unix ms) until it is handled. */
  function arrive(event: NostrEvent, at = clock.now()): void {
    const finished = done.began(at)
    inTurn(event, () => take(event)).finally(finished)
  }

  /** What is handled goes one by one for each author; what is only stored needs no order. Not too many at a time. */
  function inTurn(event: NostrEvent, work: () => Promise<void>): Promise<void> {
    const turn = reactions().handles.has(event.kind) ? event.pubkey : event.id
    const before = chains.get(turn) ?? Promise.resolve()
    const mine = before.then(async () => {
      while (working >= AT_ONCE) await new Promise<void>(free => room.push(free))
      working += 1
      try {
        await work()
      } finally {
        working -= 1
        room.shift()?.()
      }
    })
    chains.set(turn, mine)
    return mine.finally(() => {
      if (chains.get(turn) === mine) chains.delete(turn)
    })
  }

  /** Decides about one event, once. A broken world is tried again until it is whole; nothing is passed over. */
  async function take(event: NostrEvent, puzzling?: NostrEvent[]): Promise<void> {
    for (let attempt = 1; !gone.signal.aborted; attempt++) {
      try {
        if (event.pubkey === self || (await done.knows(event)) || !verify(event)) return
        const decision =
          attempt > MAX_ATTEMPTS ? givenUp : await options.holding(now => decide(now, event))
        if (decision.action !== 'reject') return done.note(event)
        if (decision !== givenUp && decision.msg.startsWith('error:')) throw new Error(decision.msg)
        if (puzzling) return void puzzling.push(event)
        return await refuse(event, decision.msg)
      } catch (error) {
        if (puzzling) return void puzzling.push(event)
        const fields = { id: event.id, kind: event.kind, attempt, cause: describe(error) }
        log.error(fields, 'an event was not handled, trying again')
        await sleep(Math.min(RETRY_MS * attempt, 10_000), undefined, { signal: gone.signal }).catch(
          () => undefined,
        )
      }
    }
  }

  /** That it was refused, and what its author hears of it, stand together: it is told once. */
  async function refuse(event: NostrEvent, msg: string): Promise<void> {
    log.info({ id: event.id, kind: event.kind, msg }, 'an event was refused')
    const refusal = reactions().refusal(event, msg)
    await options.ours.transaction(async tx => {
      if (refusal) await tx.putEvent(refusal)
      await done.noteIn(tx, event)
    })
  }

  async function decide(now: Reactions, event: NostrEvent): Promise<Decision> {
    const { kind } = event
    if (!reactsTo(now).includes(kind)) return decisionOf(await store.putEvent(event))
    // It has been taken at the door already, where rates were counted; who handles it is told of a client.
    const verdict = await now.judge.write(event, context('Stream'))
    if (verdict.action !== 'accept') return verdict
    const answer = now.handles.get(kind)?.(event, context('IP4')) ?? 'store'
    if (answer !== 'store') return answer
    return isEphemeral(kind) ? verdict : decisionOf(await store.putEvent(event))
  }

  function context(type: SourceType): PolicyContext {
    return {
      source: { type, info: '' },
      authed: [],
      receivedAt: Math.floor(clock.now() / 1000),
      signal: gone.signal,
    }
  }

  return {
    begin: (): void => void begin(),
    lost(): void {
      round += 1
      asked = undefined
      done.lost()
    },
    /** The plugins were loaded anew: where they want other kinds, all is asked again, as after a restart. */
    reloaded(): void {
      if (asked === undefined || asked === JSON.stringify(wanted(reactions(), self))) return
      done.lost()
      void begin()
    },
    async close(): Promise<void> {
      gone.abort()
      round += 1
      await Promise.allSettled(chains.values())
      await done.close()
    },
  }
}

const reactsTo = ({ handles, wanted }: Reactions): number[] => [
  ...new Set([...handles.keys(), ...wanted]),
]

/** Private kinds are asked for by who they are for: a relay that guards them refuses anything else. */
function wanted(now: Reactions, self: string) {
  const reacts = reactsTo(now)
  const looked = now.reads.filter(kind => !reacts.includes(kind))
  const live: Filter[] = [
    { kinds: reacts.filter(kind => !privateKinds.includes(kind)) },
    { kinds: reacts.filter(kind => privateKinds.includes(kind)), '#p': [self] },
  ].filter(filter => filter.kinds.length > 0)
  const lookups: Filter[] = looked.length > 0 ? [{ kinds: looked }] : []
  return { live, lookups, looked }
}
