import type { Clock } from '../../plugin.ts'
import type { MediaEvent } from '../backend.ts'

/**
 * What is wrong with each stream, by its source (`recording`, `publisher`), told to its host as one sentence when it
 * changes.
 */
export function problems(clock: Clock, onEvent: (event: MediaEvent) => void) {
  const known = new Map<string, Map<string, string>>()
  /** What was told last. Of a stream that is not here nobody knows what its host was told before. */
  const told = new Map<string, string | undefined>()

  return {
    /** Says a problem of that source, or without one that it is over. */
    tell(id: string, source: string, problem: string | undefined): void {
      const mine = known.get(id) ?? new Map<string, string>()
      known.set(id, mine)
      if (problem === undefined) mine.delete(source)
      else mine.set(source, problem)
      const all = [...mine.values()].join('; ') || undefined
      if (told.has(id) && told.get(id) === all) return
      told.set(id, all)
      onEvent({ type: 'health', id, at: clock.now(), problem: all })
    },
    /** The broadcast is over: the next one begins without its problems. */
    forget(id: string): void {
      known.delete(id)
      told.delete(id)
    },
  }
}
