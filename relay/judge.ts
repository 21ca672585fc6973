import type { NostrEvent } from '../events/index.ts'
import type {
  Awaitable,
  Decision,
  Logger,
  Policy,
  PolicyContext,
  ReadRequest,
} from '../plugins/plugin.ts'
import type { PluginTimes, Stopwatch } from './plugin-times.ts'
import type { Work } from './slow-calls.ts'
import type { Visibility } from './store/store.ts'
import { within } from './within.ts'

const internalError: Decision = { action: 'reject', msg: 'error: internal error' }
const acceptance: Decision = { action: 'accept' }

/** Who decides about the relay's own part: sizes, times, private kinds. */
const OWN = 'relay'

/** Decides by its policies, which stay as they are for as long as it lives. */
export interface Judge {
  write(event: NostrEvent, ctx: PolicyContext): Awaitable<Decision>
  read(request: ReadRequest, ctx: PolicyContext): Awaitable<Decision>
  /** The kinds that `shows` has a say on. */
  readonly visibleKinds: ReadonlySet<number> | 'all'
  /** The one door: stored, live, counted and synced events all pass it. A policy that throws hides. */
  shows(event: NostrEvent, authed: readonly string[]): boolean
}

/** A policy, whose it is, and what it takes. */
interface Asked {
  readonly policy: Policy
  readonly plugin: string
  readonly times: Stopwatch | undefined
}

/**
 * Asks the policies in their order; the first that does not accept decides. One that throws, that gives no decision,
 * or that has not answered after `deadlineMs`, rejects.
 */
export function judge(
  policies: readonly Policy[],
  options: {
    deadlineMs: number
    log: Logger
    /** Whose policy it is; absent: the relay's own. */
    pluginOf?(policy: Policy): string | undefined
    times?: PluginTimes
  },
): Judge {
  const { deadlineMs, log, times } = options
  const sampler = () => times?.sampler() ?? (() => false)
  const [timesWrite, timesRead, timesVisible] = [sampler(), sampler(), sampler()]
  const asked = (verb: 'write' | 'read' | 'visible'): Asked[] =>
    policies
      .filter(policy => policy[verb])
      .map(policy => {
        const plugin = options.pluginOf?.(policy) ?? OWN
        return { policy, plugin, times: times?.of(plugin, verb) }
      })
  const writers = asked('write')
  const readers = asked('read')
  const watchers = asked('visible')
  const writersOf = new Map<number, Asked[]>()

  function writersFor(kind: number): Asked[] {
    let found = writersOf.get(kind)
    if (!found) {
      found = writers.filter(({ policy }) => policy.writeKinds?.includes(kind) ?? true)
      if (writersOf.size > 1000) writersOf.clear()
      writersOf.set(kind, found)
    }
    return found
  }

  /** The first answer that is not an acceptance. Only a policy that takes its time makes the others wait. */
  function firstRefusal(
    list: readonly Asked[],
    ask: (policy: Policy) => Awaitable<Decision> | undefined,
    work: Work,
    sampled: boolean,
    from = 0,
  ): Awaitable<Decision> {
    for (let i = from; i < list.length; i++) {
      const decision = verdict(list[i] as Asked, ask, work, sampled)
      if (decision instanceof Promise)
        return decision.then(one =>
          one.action === 'accept' ? firstRefusal(list, ask, work, sampled, i + 1) : one,
        )
      if (decision.action !== 'accept') return decision
    }
    return acceptance
  }

  function verdict(
    asked: Asked,
    ask: (policy: Policy) => Awaitable<Decision> | undefined,
    work: Work,
    sampled: boolean,
  ): Awaitable<Decision> {
    const { policy, times } = asked
    const startedAt = sampled ? performance.now() : 0
    try {
      const answer = ask(policy)
      if (!(answer instanceof Promise)) {
        if (sampled) times?.sampled(performance.now() - startedAt, work)
        return isDecision(answer) ? answer : failed(asked, NO_DECISION)
      }
      // A look at the clock costs as much as a small policy: all that answer later are timed, of the others one in sixteen.
      const since = sampled ? startedAt : performance.now()
      const answered = () => {
        const ms = performance.now() - since
        if (sampled) times?.sampled(ms, work)
        else times?.passed(ms, work)
      }
      const ms = policy.deadlineMs ?? deadlineMs
      return within(answer, ms, `no answer after ${ms} ms`).then(
        one => {
          answered()
          return isDecision(one) ? one : failed(asked, NO_DECISION)
        },
        error => {
          answered()
          return failed(asked, error)
        },
      )
    } catch (error) {
      return failed(asked, error)
    }
  }

  function failed({ plugin, policy }: Asked, error: unknown): Decision {
    const fields = { plugin, policy: policy.name, cause: String(error) }
    log.error(fields, 'a policy failed, so it rejected')
    return internalError
  }

  const kinds = new Set(watchers.flatMap(({ policy }) => policy.visibleKinds ?? []))
  const anyKind = watchers.some(({ policy }) => !policy.visibleKinds)

  /** False as soon as one hides it. */
  function shows(event: NostrEvent, authed: readonly string[]): boolean {
    const sampled = timesVisible()
    for (const { policy, plugin, times } of watchers) {
      if (policy.visibleKinds && !policy.visibleKinds.includes(event.kind)) continue
      const startedAt = sampled ? performance.now() : 0
      try {
        if (policy.visible?.(event, { authed }) !== true) return false
      } catch (error) {
        const fields = { plugin, policy: policy.name, event: event.id, cause: String(error) }
        log.error(fields, 'a policy failed, so it hides')
        return false
      } finally {
        if (sampled) times?.sampled(performance.now() - startedAt, event)
      }
    }
    return true
  }

  return {
    write: (event, ctx) =>
      firstRefusal(
        writersFor(event.kind),
        policy => policy.write?.(event, ctx),
        event,
        timesWrite(),
      ),
    read: (request, ctx) =>
      firstRefusal(readers, policy => policy.read?.(request, ctx), request.filters, timesRead()),
    visibleKinds: anyKind ? 'all' : kinds,
    shows,
  }
}

const NO_DECISION = 'it gave no decision'

/** Plugins are written in JavaScript too: what is forgotten there, or misspelt, must not let anything pass. */
export function isDecision(answer: unknown): answer is Decision {
  const action = (answer as Decision | undefined)?.action
  if (action === 'reject') return typeof (answer as { msg?: unknown }).msg === 'string'
  return action === 'accept' || action === 'shadowReject'
}

/** The door for one reader. It asks each time: after a reload, and for who has authenticated meanwhile. */
export const visibleTo = (judge: Judge, authed: () => readonly string[]): Visibility => ({
  get kinds() {
    return judge.visibleKinds
  },
  test: event => judge.shows(event, authed()),
})
