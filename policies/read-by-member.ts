import { z } from 'zod'
import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { authorList } from './author-list.ts'
import { kindList, pubkeyList } from './pubkeys.ts'

/**
 * Only members read, except `publicKinds`: others are asked to authenticate first. `isMember` is asked for each event
 * on its way out as well, so it answers from memory.
 *
 * @example
 * readByMember({ isMember: pubkey => members.has(pubkey), publicKinds: [0, 30311] })
 */
export function readByMember(options: {
  isMember(pubkey: string): boolean
  publicKinds?: readonly number[]
  /** Looked after before a read; may be waited for. */
  refresh?: () => Promise<unknown> | undefined
}): Policy {
  const { isMember, refresh } = options
  const open = new Set(options.publicKinds)
  const isOpen = (kinds: readonly number[] | undefined): boolean =>
    kinds !== undefined && kinds.length > 0 && kinds.every(kind => open.has(kind))
  const decide = (authed: readonly string[]) => {
    if (authed.some(isMember)) return accept
    if (authed.length === 0) return reject('auth-required: only members read here, authenticate')
    return reject('restricted: only members read here, ask the operator to become one')
  }
  return {
    name: 'read-by-member',
    read({ filters }, { authed }) {
      if (filters.every(filter => isOpen(filter.kinds))) return accept
      const pending = refresh?.()
      return pending ? pending.then(() => decide(authed)) : decide(authed)
    },
    visible: ({ kind }, { authed }) => open.has(kind) || authed.some(isMember),
  }
}

export default definePolicy({
  name: 'read-by-member',
  options: z.object({
    /** Pubkeys, hex or npub. */
    pubkeys: pubkeyList.default([]),
    /** Text files with one pubkey a line; read again when they change. */
    files: z.array(z.string()).default([]),
    /** Kinds that everybody may read. */
    publicKinds: kindList.default([]),
  }),
  create({ pubkeys, files, publicKinds }, { log }) {
    const members = authorList({ pubkeys, files, log })
    if (!members.namesPubkeys())
      throw new Error('read-by-member needs pubkeys or files: with none of them nobody could read')
    return readByMember({ isMember: members.hasPubkey, publicKinds, refresh: members.refresh })
  },
})
