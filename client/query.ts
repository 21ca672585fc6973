import type { Filter, NostrEvent } from '../events/index.ts'
import { RelayTimeout } from './errors.ts'
import type { Relay } from './relay.ts'

/** What a subscription gives until it is through, in the order of arrival; it is ended then. Rejects with `RelayTimeout`, or as it was closed. */
export function queryBy(
  subscribe: Relay['subscribe'],
  filters: readonly Filter[],
  timeoutMs: number,
): Promise<NostrEvent[]> {
  return new Promise((resolve, reject) => {
    const events: NostrEvent[] = []
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      end()
      settle()
    }
    const timer = setTimeout(() => finish(() => reject(new RelayTimeout())), timeoutMs)
    const end = subscribe(filters, {
      onEvent: event => events.push(event),
      onEose: () => finish(() => resolve(events)),
      onClosed: error => finish(() => reject(error)),
    })
  })
}
