import type { Filter } from '../events/index.ts'

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
