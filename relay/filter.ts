import type { Filter, NostrEvent } from '../events/index.ts'

/** True for a filter that can match nothing: an empty list asks for none of its kind. */
export const isImpossible = (filter: Filter): boolean =>
  Object.values(filter).some(value => Array.isArray(value) && value.length === 0)

/** The single-letter tag conditions of a filter, those with the fewest values first. */
export function tagConditions(filter: Filter): { letter: string; values: readonly string[] }[] {
  return Object.entries(filter)
    .flatMap(([name, values]) =>
      name.length === 2 && name[0] === '#' && Array.isArray(values)
        ? [{ letter: name.slice(1), values: [...new Set(values as string[])] }]
        : [],
    )
    .sort((a, b) => a.values.length - b.values.length)
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
