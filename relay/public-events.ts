import type { Clock, Filter, NostrEvent } from '../plugins/plugin.ts'
import { type Judge, visibleTo } from './judge.ts'
import type { RelayStore } from './store/store.ts'

const READ_MS = 5000
const MOST = 100

/** What anybody may read of what matches the filters, newest first; `ip` is who asks. */
export type PublicEvents = (filters: readonly Filter[], ip: string) => Promise<NostrEvent[]>

/**
 * Reads as a client that has not authenticated: the read policies are asked as for its REQ, and each event passes the
 * `visible` door. For what HTTP shows, where nobody authenticates. Where they refuse, there is nothing.
 *
 * @example
 * const read = publicEvents({ judge, store, clock })
 * await read([{ kinds: [30311], authors: [host] }], '192.0.2.1')
 */
export function publicEvents(options: {
  judge: Judge
  store: Pick<RelayStore, 'query'>
  clock: Clock
}): PublicEvents {
  const { judge, store, clock } = options
  const visibility = visibleTo(judge, () => [])
  return async (filters, ip) => {
    const decision = await judge.read(
      { verb: 'REQ', filters },
      {
        source: { type: ip.includes(':') ? 'IP6' : 'IP4', info: ip },
        authed: [],
        receivedAt: Math.floor(clock.now() / 1000),
        signal: AbortSignal.timeout(READ_MS),
      },
    )
    if (decision.action !== 'accept') return []
    const { raws } = await store.query(filters, { visibility, maxLimit: MOST })
    return raws.map(raw => JSON.parse(raw) as NostrEvent)
  }
}
