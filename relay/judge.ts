import type { NostrEvent } from '../events/index.ts'
import type {
  Awaitable,
  Decision,
  Logger,
  Policy,
  PolicyContext,
  ReadRequest,
} from '../plugins/plugin.ts'
import { policyTimes } from './policy-times.ts'
import type { Visibility } from './store/store.ts'
import { within } from './within.ts'

const internalError: Decision = { action: 'reject', msg: 'error: internal error' }
const acceptance: Decision = { action: 'accept' }

/**
 * Asks the policies in their order; the first that does not accept decides. One that throws, or that has not
 * answered after `deadlineMs`, rejects.
 */
export function judge(policies: readonly Policy[], options: { deadlineMs: number; log: Logger }) {
  const { deadlineMs, log } = options
  const writers = policies.filter(policy => policy.write)
  const readers = policies.filter(policy => policy.read)
  const watchers = policies.filter(policy => policy.visible)
  const writersOf = new Map<number, Policy[]>()
  const times = policyTimes()

  function writersFor(kind: number): Policy[] {
    let asked = writersOf.get(kind)
    if (!asked) {
      asked = writers.filter(policy => !policy.writeKinds || policy.writeKinds.includes(kind))
      if (writersOf.size > 1000) writersOf.clear()
      writersOf.set(kind, asked)
    }
    return asked
  }

  /** The first answer that is not an acceptance. Only a policy that takes its time makes the others wait. */
  function firstRefusal(
    asked: readonly Policy[],
    ask: (policy: Policy) => Awaitable<Decision>,
    from = 0,
  ): Awaitable<Decision> {
    for (let i = from; i < asked.length; i++) {
      const policy = asked[i] as Policy
      const decision = verdict(policy, ask)
      if (decision instanceof Promise)
        return decision.then(one =>
          one.action === 'accept' ? firstRefusal(asked, ask, i + 1) : one,
        )
      if (decision.action !== 'accept') return decision
    }
    return acceptance
  }

  function verdict(
    policy: Policy,
    ask: (policy: Policy) => Awaitable<Decision>,
  ): Awaitable<Decision> {
    const done = times.begin(policy.name)
    try {
      const answer = ask(policy)
      if (!(answer instanceof Promise)) {
        done()
        return answer
      }
      const ms = policy.deadlineMs ?? deadlineMs
      return within(answer, ms, `no answer after ${ms} ms`)
        .catch(error => failed(policy, error))
        .finally(done)
    } catch (error) {
      done()
      return failed(policy, error)
    }
  }

  function failed(policy: Policy, error: unknown): Decision {
    log.error({ policy: policy.name, cause: String(error) }, 'a policy failed, so it rejected')
    return internalError
  }

  const kinds = new Set(watchers.flatMap(policy => policy.visibleKinds ?? []))
  const anyKind = watchers.some(policy => !policy.visibleKinds)

  return {
    /** How long each policy has taken. */
    times: times.read,

    write: (event: NostrEvent, ctx: PolicyContext): Awaitable<Decision> =>
      firstRefusal(writersFor(event.kind), policy => policy.write?.(event, ctx) ?? acceptance),

    read: (request: ReadRequest, ctx: PolicyContext): Awaitable<Decision> =>
      firstRefusal(readers, policy => policy.read?.(request, ctx) ?? acceptance),

    /** The one door: stored, live, counted and synced events all pass it. A policy that throws hides. */
    visibleTo(authed: () => readonly string[]): Visibility {
      return {
        kinds: anyKind ? 'all' : kinds,
        test(event) {
          try {
            return watchers.every(
              policy =>
                (policy.visibleKinds && !policy.visibleKinds.includes(event.kind)) ||
                policy.visible?.(event, { authed: authed() }),
            )
          } catch (error) {
            log.error({ event: event.id, cause: String(error) }, 'a policy failed, so it hides')
            return false
          }
        },
      }
    },
  }
}

export type Judge = ReturnType<typeof judge>
