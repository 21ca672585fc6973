import { z } from 'zod'
import { type Filter, privateKinds, tagsNamed } from '../events/index.ts'
import { definePolicy, type Policy } from '../plugins/plugin.ts'
import { kindList } from './pubkeys.ts'

/**
 * Private kinds go only to their author or a `p` of theirs, on every verb: the read check tells a client early
 * why it gets nothing, `visible` is the lock.
 *
 * @example
 * restrictedKinds() // kinds 4, 1059, 5610-5615, 5650-5652
 */
export function restrictedKinds({
  kinds = privateKinds,
  toAnybody = false,
}: {
  kinds?: readonly number[]
  /** Whoever has authenticated may read them. */
  toAnybody?: boolean
} = {}): Policy {
  const restricted = new Set(kinds)
  return {
    name: 'restricted-kinds',
    visibleKinds: kinds,
    read({ filters }, { authed }) {
      const asking = filters.filter(filter => asksFor(filter, restricted))
      if (asking.length === 0) return { action: 'accept' }
      if (authed.length === 0)
        return { action: 'reject', msg: 'auth-required: these kinds go only to those they concern' }
      if (toAnybody || asking.every(filter => isFor(filter, authed))) return { action: 'accept' }
      return {
        action: 'reject',
        msg: 'restricted: these kinds go only to their author and their p, add yourself to the filter',
      }
    },
    visible(event, { authed }) {
      if (!restricted.has(event.kind)) return true
      if (toAnybody) return authed.length > 0
      return (
        authed.includes(event.pubkey) ||
        tagsNamed(event, 'p').some(tag => tag[1] !== undefined && authed.includes(tag[1]))
      )
    },
  }
}

/** Only filters that name nothing but private kinds are refused; in others they are silently left out. */
const asksFor = (filter: Filter, restricted: Set<number>): boolean =>
  filter.kinds !== undefined &&
  filter.kinds.length > 0 &&
  filter.kinds.every(k => restricted.has(k))

/** True unless the filter names others only. */
function isFor(filter: Filter, authed: readonly string[]): boolean {
  const named = [filter.authors, filter['#p']].filter(list => list !== undefined)
  return named.length === 0 || named.some(list => list.some(pubkey => authed.includes(pubkey)))
}

export default definePolicy({
  name: 'restricted-kinds',
  options: z.object({ kinds: kindList.default(privateKinds) }),
  create: restrictedKinds,
})
