import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { authorList, type ListOptions, listOptions } from './author-list.ts'

/**
 * Refuses events of the listed pubkeys, and events of the listed kinds. Throws for a file that cannot be read.
 *
 * @example
 * denyList({ pubkeys: ['npub1...'], kinds: [4], files: ['banned.txt'] })
 */
export function denyList(options: ListOptions): Policy {
  const list = authorList(options)
  const decide = (pubkey: string, kind: number) => {
    if (list.hasPubkey(pubkey))
      return reject('blocked: the operator of this relay keeps you out, ask them why')
    if (list.hasKind(kind))
      return reject(`blocked: this relay does not take kind ${kind}, send it elsewhere`)
    return accept
  }
  return {
    name: 'deny-list',
    write({ pubkey, kind }) {
      const pending = list.refresh()
      return pending ? pending.then(() => decide(pubkey, kind)) : decide(pubkey, kind)
    },
  }
}

export default definePolicy({
  name: 'deny-list',
  options: listOptions,
  create: (options, { log }) => denyList({ ...options, log }),
})
