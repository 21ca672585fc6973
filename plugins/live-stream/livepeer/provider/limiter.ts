import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Spaces requests out: `perSecond` on average, twice as many at once after a pause. What the provider asks for with
 * Retry-After holds for all. Times are ms of the clock that is passed in.
 */
export class Limiter {
  private readonly perSecond: number
  private tokens: number
  private at: number
  private pausedUntil = 0

  constructor(perSecond: number, now: number) {
    this.perSecond = perSecond
    this.tokens = this.burst
    this.at = now
  }

  private get burst(): number {
    return Math.max(1, this.perSecond * 2)
  }

  /** Takes a place, and gives how long to wait for it, ms; undefined (and no place) where that is more than `maxMs`. */
  take(now: number, maxMs: number): number | undefined {
    const grown = (Math.max(0, now - this.at) / 1000) * this.perSecond
    this.tokens = Math.min(this.burst, this.tokens + grown)
    this.at = now
    const short = Math.max(0, 1 - this.tokens)
    const wait = Math.max((short / this.perSecond) * 1000, this.pausedUntil - now, 0)
    if (wait > maxMs) return undefined
    this.tokens -= 1
    return wait
  }

  /** Nobody asks before `until`. */
  pause(until: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, until)
  }

  /** When a place is free again. */
  freeAt(now: number): number {
    const short = Math.max(0, 1 - this.tokens)
    return Math.max(this.pausedUntil, now + (short / this.perSecond) * 1000)
  }
}

/** Between half and all of `ms`: who failed together does not come back together. */
export const jittered = (ms: number, random: () => number): number => ms * (0.5 + random() / 2)

export const waitFor = (ms: number): Promise<void> => (ms > 0 ? sleep(ms) : Promise.resolve())
