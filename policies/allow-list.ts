import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { authorList, type ListOptions, listOptions } from './author-list.ts'

/**
 * Takes events of the listed pubkeys only, of the listed kinds only; what is not listed at all (no pubkeys, no kinds) is
 * not restricted. Throws for a file that cannot be read.
 *
 * @example
 * allowList({ pubkeys: ['npub1...'], files: ['members.txt'] })
 */
export function allowList(options: ListOptions): Policy {
  const list = authorList(options)
  if (!list.namesPubkeys() && !list.namesKinds())
    throw new Error(
      'allow-list needs pubkeys, kinds or files: with none of them nobody could write',
    )
  const decide = (pubkey: string, kind: number) => {
    if (list.namesKinds() && !list.hasKind(kind))
      return reject(`blocked: this relay does not take kind ${kind}, send it elsewhere`)
    if (list.namesPubkeys() && !list.hasPubkey(pubkey))
      return reject('restricted: only listed pubkeys write here, ask the operator to add yours')
    return accept
  }
  return {
    name: 'allow-list',
    write({ pubkey, kind }) {
      const pending = list.refresh()
      return pending ? pending.then(() => decide(pubkey, kind)) : decide(pubkey, kind)
    },
  }
}

export default definePolicy({
  name: 'allow-list',
  options: listOptions,
  create: (options, { log }) => allowList({ ...options, log }),
})
