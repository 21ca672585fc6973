export type BreakerState = 'closed' | 'open' | 'half-open'

const FAILURES_TO_OPEN = 5
const FIRST_REST_MS = 2000
const LONGEST_REST_MS = 60_000

/**
 * Stops asking who does not answer: after five failures in a row it is open for two seconds, then lets one request try;
 * each failed try doubles the rest, up to a minute. Times are unix ms.
 */
export class Breaker {
  private failures = 0
  private restMs = FIRST_REST_MS
  private until = 0
  private trying = false

  state(now: number): BreakerState {
    if (this.failures < FAILURES_TO_OPEN) return 'closed'
    return now < this.until ? 'open' : 'half-open'
  }

  /** May a request go out now? In half-open the first that asks is the one that tries. */
  admit(now: number): boolean {
    const state = this.state(now)
    if (state === 'closed') return true
    if (state === 'open' || this.trying) return false
    this.trying = true
    return true
  }

  /** When it is worth asking again. */
  retryAt(now: number): number {
    return Math.max(this.until, now + (this.trying ? 1000 : 0))
  }

  succeeded(): void {
    this.failures = 0
    this.restMs = FIRST_REST_MS
    this.trying = false
  }

  failed(now: number): void {
    this.failures += 1
    if (this.failures < FAILURES_TO_OPEN) return
    if (this.trying) this.restMs = Math.min(this.restMs * 2, LONGEST_REST_MS)
    this.trying = false
    this.until = now + this.restMs
  }

  /** How many requests in a row have failed. */
  get streak(): number {
    return this.failures
  }
}
