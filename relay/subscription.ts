import type { Filter, NostrEvent } from '../events/index.ts'
import { isImpossible, tagConditions } from './filter.ts'
import type { StoredEvent } from './store/store.ts'

/** One REQ of one connection. Live events wait in `waiting` until its stored ones have been sent. */
export interface Subscription {
  readonly id: string
  readonly filters: readonly Filter[]
  /** Live delivery begins after this seq; undefined while the query runs. */
  seq: number | undefined
  readonly waiting: StoredEvent[]
  /** `frames` holds what other subscriptions already made of this event, by subscription id. */
  deliver(stored: StoredEvent, frames?: Map<string, Buffer>): void
}

interface Entry {
  readonly subscription: Subscription
  readonly matches: (event: NostrEvent) => boolean
}

/**
 * The live subscriptions, found by what their filters name: id, a tag, author, kind, or nothing. An event asks
 * only the places that it could match.
 */
export function subscriptionIndex() {
  const places = new Map<string, Set<Entry>>()
  const entries = new Map<Subscription, { entry: Entry; keys: string[] }[]>()

  return {
    size: () => entries.size,

    add(subscription: Subscription): void {
      const mine = subscription.filters
        .filter(filter => !isImpossible(filter))
        .map(filter => {
          const entry = { subscription, matches: matcher(filter) }
          return { entry, keys: placesOf(filter) }
        })
      for (const { entry, keys } of mine)
        for (const key of keys) {
          const place = places.get(key)
          if (place) place.add(entry)
          else places.set(key, new Set([entry]))
        }
      entries.set(subscription, mine)
    },

    remove(subscription: Subscription): void {
      for (const { entry, keys } of entries.get(subscription) ?? [])
        for (const key of keys) {
          const place = places.get(key)
          place?.delete(entry)
          if (place?.size === 0) places.delete(key)
        }
      entries.delete(subscription)
    },

    /** The subscriptions that an event matches, each once. */
    matching(event: NostrEvent): Set<Subscription> {
      const found = new Set<Subscription>()
      const ask = (key: string) => {
        for (const entry of places.get(key) ?? [])
          if (!found.has(entry.subscription) && entry.matches(event)) found.add(entry.subscription)
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

/** NIP-01 matching, with sets for what is asked often. A limit says nothing about live events. */
export function matcher(filter: Filter): (event: NostrEvent) => boolean {
  const ids = filter.ids && new Set(filter.ids)
  const authors = filter.authors && new Set(filter.authors)
  const kinds = filter.kinds && new Set(filter.kinds)
  const tags = tagConditions(filter).map(({ letter, values }) => ({
    letter,
    values: new Set(values),
  }))
  const { since = 0, until = Number.POSITIVE_INFINITY } = filter
  return event =>
    event.created_at >= since &&
    event.created_at <= until &&
    (!kinds || kinds.has(event.kind)) &&
    (!authors || authors.has(event.pubkey)) &&
    (!ids || ids.has(event.id)) &&
    tags.every(({ letter, values }) =>
      event.tags.some(tag => tag[0] === letter && tag[1] !== undefined && values.has(tag[1])),
    )
}
