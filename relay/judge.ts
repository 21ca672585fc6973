import type { NostrEvent } from '../events/index.ts'
import type { Decision, Logger, Policy, PolicyContext, ReadRequest } from '../plugins/plugin.ts'
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

  function writersFor(kind: number): Policy[] {
    let asked = writersOf.get(kind)
    if (!asked) {
      asked = writers.filter(policy => !policy.writeKinds || policy.writeKinds.includes(kind))
      if (writersOf.size > 1000) writersOf.clear()
      writersOf.set(kind, asked)
    }
    return asked
  }

  async function ask(name: string, verdict: () => Decision | Promise<Decision>): Promise<Decision> {
    try {
      const answer = verdict()
      return answer instanceof Promise
        ? await within(answer, deadlineMs, `no answer after ${deadlineMs} ms`)
        : answer
    } catch (error) {
      log.error({ policy: name, cause: String(error) }, 'a policy failed, so it rejected')
      return internalError
    }
  }

  const kinds = new Set(watchers.flatMap(policy => policy.visibleKinds ?? []))
  const anyKind = watchers.some(policy => !policy.visibleKinds)

  return {
    async write(event: NostrEvent, ctx: PolicyContext): Promise<Decision> {
      for (const policy of writersFor(event.kind)) {
        const decision = await ask(policy.name, () => policy.write?.(event, ctx) ?? acceptance)
        if (decision.action !== 'accept') return decision
      }
      return acceptance
    },

    async read(request: ReadRequest, ctx: PolicyContext): Promise<Decision> {
      for (const policy of readers) {
        const decision = await ask(policy.name, () => policy.read?.(request, ctx) ?? acceptance)
        if (decision.action !== 'accept') return decision
      }
      return acceptance
    },

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
