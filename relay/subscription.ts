import type { Filter, NostrEvent } from '../events/index.ts'
import { isImpossible, matcher, tagConditions } from './filter.ts'
import type { StoredEvent } from './store/store.ts'

/** One REQ of one connection. Live events wait in `waiting` until its stored ones have been sent. */
export interface Subscription {
  readonly id: string
  readonly filters: readonly Filter[]
  /** Live delivery begins after this seq; undefined while the query runs. */
  seq: number | undefined
  readonly waiting: StoredEvent[]
  /**
   * Sends a live event. `guarded`: policies have a say on who sees its kind. `frames` holds what other subscriptions
   * already made of it, by subscription id.
   */
  deliver(stored: StoredEvent, guarded: boolean, frames?: Map<string, Buffer>): void
}

/** Everybody who asks for the same: a thousand viewers of one room cost one comparison. */
interface Audience {
  readonly text: string
  readonly places: readonly string[]
  readonly matches: (event: NostrEvent) => boolean
  readonly subscriptions: Set<Subscription>
}

/**
 * The live subscriptions, found by what their filters name: id, a tag, author, kind, or nothing. An event asks
 * only the places that it could match. A search (NIP-50) ends with what is stored.
 */
export function subscriptionIndex() {
  const places = new Map<string, Set<Audience>>()
  const audiences = new Map<string, Audience>()
  const memberships = new Map<Subscription, Audience[]>()
  /** Most REQs are closed before an event asks: they get their places when one does. */
  const fresh = new Set<Subscription>()

  function audienceOf(filter: Filter): Audience {
    const text = JSON.stringify({ ...filter, limit: undefined })
    const known = audiences.get(text)
    if (known) return known
    const audience: Audience = {
      text,
      places: placesOf(filter),
      matches: matcher(filter),
      subscriptions: new Set(),
    }
    audiences.set(text, audience)
    for (const key of audience.places) {
      const place = places.get(key)
      if (place) place.add(audience)
      else places.set(key, new Set([audience]))
    }
    return audience
  }

  function forget(audience: Audience): void {
    audiences.delete(audience.text)
    for (const key of audience.places) {
      const place = places.get(key)
      place?.delete(audience)
      if (place?.size === 0) places.delete(key)
    }
  }

  function settle(subscription: Subscription): void {
    const mine = subscription.filters
      .filter(filter => filter.search === undefined && !isImpossible(filter))
      .map(audienceOf)
    for (const audience of mine) audience.subscriptions.add(subscription)
    memberships.set(subscription, mine)
  }

  return {
    size: () => memberships.size + fresh.size,

    add: (subscription: Subscription): unknown => fresh.add(subscription),

    remove(subscription: Subscription): void {
      if (fresh.delete(subscription)) return
      for (const audience of memberships.get(subscription) ?? []) {
        audience.subscriptions.delete(subscription)
        if (audience.subscriptions.size === 0) forget(audience)
      }
      memberships.delete(subscription)
    },

    /** The subscriptions that an event matches, each once. */
    matching(event: NostrEvent): Set<Subscription> {
      for (const subscription of fresh) settle(subscription)
      fresh.clear()
      const found = new Set<Subscription>()
      const ask = (key: string) => {
        const place = places.get(key)
        if (!place) return
        for (const audience of place)
          if (audience.matches(event))
            for (const subscription of audience.subscriptions) found.add(subscription)
      }
      ask('all')
      ask(`k${event.kind}`)
      ask(`p${event.pubkey}`)
      ask(`i${event.id}`)
      for (const [name, value] of event.tags) if (name?.length === 1) ask(`#${name}${value}`)
      return found
    },
  }
}

/** The places at which an event that this filter matches is sure to ask. */
function placesOf(filter: Filter): string[] {
  if (filter.ids) return filter.ids.map(id => `i${id}`)
  const [tag] = tagConditions(filter)
  if (tag) return tag.values.map(value => `#${tag.letter}${value}`)
  if (filter.authors) return filter.authors.map(author => `p${author}`)
  if (filter.kinds) return filter.kinds.map(kind => `k${kind}`)
  return ['all']
}
