import { z } from 'zod'
import { isHex64, kinds, type NostrEvent } from '../events/index.ts'
import {
  accept,
  definePolicy,
  type Logger,
  type Policy,
  type Reader,
  reject,
} from '../plugins/plugin.ts'
import { pubkeyList, pubkeyOf } from './pubkeys.ts'

const options = z.object({
  /** Whom trust starts from, hex or npub: the operators, as a rule. */
  roots: pubkeyList.refine(list => list.length > 0, 'needs at least one pubkey to start from'),
  /** 1: whom the roots follow; 2: whom those follow as well. */
  hops: z.int().min(1).max(4).default(2),
  refreshSeconds: z.int().min(1).max(86_400).default(300),
  maxPubkeys: z.int().min(1).default(200_000),
})

/** Follow lists of so many authors are read at a time; between them other work goes on. */
const AUTHORS_AT_ONCE = 100

/**
 * Takes events of people within so many follows of the roots, by the follow lists (kind 3) in the store, which are read
 * again every `refreshSeconds`. The nearest come first where there are more than `maxPubkeys`.
 *
 * @example
 * webOfTrust({ store: host.store, roots: ['npub1...'], hops: 2 })
 */
export function webOfTrust(options: {
  store: Pick<Reader, 'events'>
  roots: readonly string[]
  hops?: number
  refreshSeconds?: number
  maxPubkeys?: number
  log?: Pick<Logger, 'error'>
}): Policy {
  const { store, hops = 2, refreshSeconds = 300, maxPubkeys = 200_000, log } = options
  const roots = options.roots.map(pubkeyOf)
  if (roots.length === 0) throw new Error('web-of-trust needs at least one root pubkey')
  let trusted: ReadonlySet<string> = new Set(roots)
  let known = false
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function walk(): Promise<void> {
    const found = new Set(roots)
    let edge = roots
    for (let hop = 0; hop < hops && found.size < maxPubkeys; hop++) {
      const next: string[] = []
      for (let at = 0; at < edge.length && !closed; at += AUTHORS_AT_ONCE) {
        const authors = edge.slice(at, at + AUTHORS_AT_ONCE)
        for (const list of await store.events([{ kinds: [kinds.Follows], authors }]))
          for (const pubkey of followsOf(list))
            if (!found.has(pubkey) && found.size < maxPubkeys) {
              found.add(pubkey)
              next.push(pubkey)
            }
        await new Promise(setImmediate)
      }
      edge = next
    }
    if (closed) return
    trusted = found
    known = true
  }

  async function refresh(): Promise<void> {
    try {
      await walk()
    } catch (error) {
      log?.error({ cause: String(error) }, 'follow lists could not be read, trust stays as it was')
    }
    if (closed) return
    timer = setTimeout(() => {
      running = refresh()
    }, refreshSeconds * 1000).unref()
  }

  const first = refresh()
  let running = first
  const decide = (pubkey: string) => {
    if (trusted.has(pubkey)) return accept
    if (!known) return reject('error: the follow lists are not read yet, try again in a moment')
    const distance =
      hops === 1
        ? 'people whom its operators follow'
        : `people within ${hops} follows of its operators`
    return reject(
      `restricted: this relay takes events of ${distance}, ask one of them to follow you`,
    )
  }
  return {
    name: 'web-of-trust',
    write({ pubkey }) {
      return known || trusted.has(pubkey) ? decide(pubkey) : first.then(() => decide(pubkey))
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}

function* followsOf({ tags }: NostrEvent): Generator<string> {
  for (const tag of tags) if (tag[0] === 'p' && isHex64(tag[1])) yield tag[1]
}

export default definePolicy({
  name: 'web-of-trust',
  options,
  create: (options, { store, log }) => webOfTrust({ ...options, store, log }),
})
