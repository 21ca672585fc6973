import type { Filter, NostrEvent } from '../events/index.ts'
import type { RelayRefused } from './errors.ts'
import { seenIds } from './seen.ts'

export interface SubscriptionHandlers {
  /** Each event once, however often the connection is lost. */
  onEvent(event: NostrEvent): void
  /** The stored events are through; once, also when the connection was lost in between. */
  onEose?(): void
  /** The relay ended it, and it will not be asked again. */
  onClosed?(error: RelayRefused): void
}

/** Senders' clocks differ: what is asked again after a lost connection begins this much earlier. */
const OVERLAP_SECONDS = 60

/** One REQ that outlives its connections: it knows what was seen, and what to ask for after a reconnect. */
export class Subscription {
  readonly id: string
  /** True once the relay has asked for AUTH: it is not asked twice on one connection. */
  authTried = false
  readonly #filters: readonly Filter[]
  readonly #handlers: SubscriptionHandlers
  readonly #seen = seenIds()
  #newest = 0
  #eose = false

  constructor(id: string, filters: readonly Filter[], handlers: SubscriptionHandlers) {
    this.id = id
    this.#filters = filters
    this.#handlers = handlers
  }

  /**
   * The filters to send. After the first EOSE only what may have been missed is asked for, without limit;
   * `aliveAt` (s) is when the last connection was there: one event dated tomorrow must not hide today's.
   */
  filters(aliveAt: number): readonly Filter[] {
    if (!this.#eose) return this.#filters
    const since = Math.max(0, Math.min(this.#newest || aliveAt, aliveAt) - OVERLAP_SECONDS)
    return this.#filters.map(({ limit: _, ...filter }) => ({
      ...filter,
      since: Math.max(since, filter.since ?? 0),
    }))
  }

  event(event: NostrEvent): void {
    if (!this.#seen.isNew(event.id)) return
    this.#newest = Math.max(this.#newest, event.created_at)
    this.#handlers.onEvent(event)
  }

  eose(): void {
    if (this.#eose) return
    this.#eose = true
    this.#handlers.onEose?.()
  }

  closed(error: RelayRefused): void {
    this.#handlers.onClosed?.(error)
  }
}
