const TOLERATED = 3
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** How much of a failure one good answer makes up for: a plugin that dies after each answer is broken too. */
const HEALED = 0.1

/**
 * Keeps a broken plugin from being asked: after three failures it pauses, each time longer (with jitter, at most a
 * minute and a half), then tries one request.
 */
export function circuitBreaker(options: { now(): number; random(): number }) {
  const { now, random } = options
  let failures = 0
  let pauses = 0
  let until: number | undefined

  return {
    /** `open`: do not ask. `trying`: ask once and see. */
    state(): 'closed' | 'open' | 'trying' {
      if (until === undefined) return 'closed'
      return now() < until ? 'open' : 'trying'
    },
    /** Gives how long the plugin is left alone now, ms; 0 while failures are tolerated. */
    failed(): number {
      failures += 1
      if (failures < TOLERATED) return 0
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** pauses, LONGEST_PAUSE_MS) * (0.5 + random())
      pauses += 1
      until = now() + pause
      return pause
    },
    answered(): void {
      until = undefined
      failures = Math.max(0, Math.min(failures, TOLERATED - 1) - HEALED)
      if (failures === 0) pauses = 0
    },
  }
}
