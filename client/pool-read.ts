import type { Filter } from '../events/index.ts'
import type { RelayClient } from './relay-client.ts'
import { seenIds } from './seen.ts'
import type { SubscriptionHandlers } from './subscription.ts'

/**
 * One REQ at several relays. Each event is handed on once. The stored events are through when every relay that can be
 * reached has said so, or `patienceMs` after the first did; when all that can be reached refuse, it is over. Gives the function that ends it.
 */
export function poolRead(
  clients: readonly RelayClient[],
  patienceMs: number,
  filters: readonly Filter[],
  handlers: SubscriptionHandlers,
): () => void {
  const seen = seenIds()
  /** Relays that gave what they had, or will give nothing. */
  const done = new Set<RelayClient>()
  const refused = new Set<RelayClient>()
  let through = false
  let patience: ReturnType<typeof setTimeout> | undefined

  function finish(): void {
    if (through) return
    through = true
    clearTimeout(patience)
    handlers.onEose?.()
  }

  function look(): void {
    if (through || done.size === refused.size) return
    if (clients.every(client => done.has(client) || client.failing)) finish()
    else patience ??= setTimeout(finish, patienceMs)
  }

  const ends = clients.map(client =>
    client.subscribe(filters, {
      onEvent(event) {
        if (seen.isNew(event.id)) handlers.onEvent(event)
      },
      onEose() {
        done.add(client)
        look()
      },
      onClosed(error) {
        done.add(client)
        refused.add(client)
        if (clients.every(one => refused.has(one) || one.failing)) {
          end()
          handlers.onClosed?.(error)
        } else look()
      },
    }),
  )

  function end(): void {
    clearTimeout(patience)
    for (const one of ends) one()
  }
  return end
}
