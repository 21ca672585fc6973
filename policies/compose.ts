import type { Filter } from '../events/index.ts'
import { type Awaitable, accept, type Decision, type Policy, reject } from '../plugins/plugin.ts'

// A policy has no say on a verb that it lacks, nor on a kind outside its writeKinds or visibleKinds. What nobody has a
// say on is accepted. Composition keeps to that, so that what was cheap stays cheap.

/**
 * All of them, in their order: the first that does not accept decides, an event is visible if each says so.
 *
 * @example
 * pipe(denyList({ files: ['banned.txt'] }), proofOfWork({ minDifficulty: 16 }))
 */
export const pipe = (...policies: readonly Policy[]): Policy =>
  compose(`pipe(${namesOf(policies)})`, policies, {
    decides: ({ action }) => action !== 'accept',
    shown: (asked, show) => asked.every(show),
  })

/**
 * One of them is enough: accepts what one that has a say accepts, else the last one's refusal stands. One that throws
 * refuses for all.
 *
 * @example
 * any(allowList({ files: ['members.txt'] }), proofOfWork({ minDifficulty: 24 }))
 */
export function any(...policies: readonly Policy[]): Policy {
  if (policies.length === 0) throw new Error('any needs at least one policy')
  return compose(`any(${namesOf(policies)})`, policies, {
    decides: ({ action }) => action === 'accept',
    shown: (asked, show) => asked.length === 0 || asked.some(show),
  })
}

/**
 * The opposite, where the policy has a say: refuses what it accepts, with `msg`, and accepts what it refuses.
 *
 * @example
 * not(allowList({ kinds: [4] }), 'blocked: no old direct messages here, use NIP-17')
 */
export function not(policy: Policy, msg: string): Policy {
  if (!/^[a-z-]+: \S/.test(msg))
    throw new Error(
      `not needs a sentence after a NIP-01 prefix such as "blocked: ...", not "${msg}"`,
    )
  const turn = ({ action }: Decision): Decision => (action === 'accept' ? reject(msg) : accept)
  return {
    ...policy,
    name: `not(${policy.name})`,
    write:
      policy.write && ((event, ctx) => then(answered(policy, policy.write?.(event, ctx)), turn)),
    read:
      policy.read && ((request, ctx) => then(answered(policy, policy.read?.(request, ctx)), turn)),
    visible: policy.visible && ((event, ctx) => !policy.visible?.(event, ctx)),
    close: policy.close && (() => policy.close?.()),
  }
}

/**
 * Only for these kinds. A read concerns it if a filter could return one of them; where `visible` is the lock, only if the
 * filters ask for nothing else.
 *
 * @example
 * whenKinds([1, 1111], proofOfWork({ minDifficulty: 20 }))
 */
export function whenKinds(kinds: readonly number[], policy: Policy): Policy {
  if (kinds.length === 0) throw new Error('whenKinds needs at least one kind')
  const among = new Set(kinds)
  const both = (own: readonly number[] | undefined) => (own ? own.filter(k => among.has(k)) : kinds)
  const couldReturn = ({ kinds: asked }: Filter) => !asked || asked.some(kind => among.has(kind))
  const asksOnly = ({ kinds: asked }: Filter) =>
    asked !== undefined && asked.length > 0 && asked.every(kind => among.has(kind))
  return {
    ...policy,
    name: `whenKinds(${policy.name})`,
    writeKinds: both(policy.writeKinds),
    visibleKinds: both(policy.visibleKinds),
    write:
      policy.write &&
      ((event, ctx) =>
        among.has(event.kind) ? answered(policy, policy.write?.(event, ctx)) : accept),
    visible:
      policy.visible &&
      ((event, ctx) => !among.has(event.kind) || policy.visible?.(event, ctx) === true),
    read:
      policy.read &&
      ((request, ctx) => {
        const filters = request.filters.filter(policy.visible ? asksOnly : couldReturn)
        if (filters.length === 0) return accept
        return answered(policy, policy.read?.({ ...request, filters }, ctx))
      }),
    close: policy.close && (() => policy.close?.()),
  }
}

function compose(
  name: string,
  policies: readonly Policy[],
  how: {
    /** Whether this decision ends the asking; else the last one stands. */
    decides(decision: Decision): boolean
    shown(asked: readonly Policy[], show: (policy: Policy) => boolean): boolean
  },
): Policy {
  const writers = policies.filter(policy => policy.write)
  const readers = policies.filter(policy => policy.read)
  const watchers = policies.filter(policy => policy.visible)
  const writersOf = byKind(writers, policy => policy.writeKinds)
  const watchersOf = byKind(watchers, policy => policy.visibleKinds)
  const { decides, shown } = how
  return {
    name,
    writeKinds: union(writers.map(policy => policy.writeKinds)),
    visibleKinds: union(watchers.map(policy => policy.visibleKinds)),
    write:
      writers.length === 0
        ? undefined
        : (event, ctx) => firstThat(decides, writersOf(event.kind), one => one.write?.(event, ctx)),
    read:
      readers.length === 0
        ? undefined
        : (request, ctx) => firstThat(decides, readers, one => one.read?.(request, ctx)),
    visible:
      watchers.length === 0
        ? undefined
        : (event, ctx) =>
            shown(watchersOf(event.kind), policy => policy.visible?.(event, ctx) === true),
    async close() {
      for (const policy of policies) await policy.close?.()
    },
  }
}

/** The first decision that decides, else the last one; stays synchronous for as long as the policies are. */
function firstThat(
  decides: (decision: Decision) => boolean,
  asked: readonly Policy[],
  ask: (policy: Policy) => Awaitable<Decision> | undefined,
  from = 0,
): Awaitable<Decision> {
  let last: Decision = accept
  for (let at = from; at < asked.length; at++) {
    const policy = asked[at] as Policy
    const answer = answered(policy, ask(policy))
    if (answer instanceof Promise)
      return answer.then(decision =>
        decides(decision) || at === asked.length - 1
          ? decision
          : firstThat(decides, asked, ask, at + 1),
      )
    if (decides(answer)) return answer
    last = answer
  }
  return last
}

/** Those who have a say on a kind, found once. */
function byKind(
  policies: readonly Policy[],
  kindsOf: (policy: Policy) => readonly number[] | undefined,
): (kind: number) => readonly Policy[] {
  const known = new Map<number, readonly Policy[]>()
  return kind => {
    let found = known.get(kind)
    if (!found) {
      found = policies.filter(policy => kindsOf(policy)?.includes(kind) ?? true)
      // Kinds are 65,536: what a stranger sends must not fill the memory.
      if (known.size >= 1000) known.clear()
      known.set(kind, found)
    }
    return found
  }
}

/** Whoever forgets to answer has failed, and what failed refuses (the relay says so to the client). */
function answered<T>({ name }: Policy, answer: T | undefined): T {
  if (answer === undefined) throw new Error(`policy ${name} gave no decision`)
  return answer
}

const then = <A, B>(value: Awaitable<A>, turn: (value: A) => B): Awaitable<B> =>
  value instanceof Promise ? value.then(turn) : turn(value)

/** The kinds that one of them has a say on; absent as soon as one has a say on all. */
function union(lists: readonly (readonly number[] | undefined)[]): readonly number[] | undefined {
  return lists.includes(undefined) ? undefined : [...new Set(lists.flatMap(list => list ?? []))]
}

const namesOf = (policies: readonly Policy[]): string =>
  policies.map(policy => policy.name).join(', ')
