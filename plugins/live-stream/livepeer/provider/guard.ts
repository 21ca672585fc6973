import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../../../plugin.ts'
import { MediaUnavailable } from '../../backend.ts'
import { Breaker, type BreakerState } from './breaker.ts'
import { classify, ProviderRefused } from './failure.ts'
import { jittered, Limiter, waitFor } from './limiter.ts'

/** A request waits no longer than this for its turn, ms: jobs of others are behind it. */
const MAX_WAIT_MS = 2000
/** Requests on their way at a time: a silent provider must not hold every worker. */
const MAX_IN_FLIGHT = 6
const ATTEMPTS = 3
const FIRST_RETRY_MS = 250
/** A key that opens nothing now may be right in a minute. */
const LOCKED_MS = 60_000
const STATES: readonly BreakerState[] = ['closed', 'open', 'half-open']

/**
 * Through here goes every request to the provider: rate limit, places, breaker, retries. `again` says whether doing it
 * twice is the same as once; only then is a request repeated whose outcome is unknown. Throws ProviderRefused, or
 * MediaUnavailable with the time to ask again.
 */
export function providerGuard(options: {
  clock: Clock
  metrics: Registry
  requestsPerSecond: number
  /** Refusals may repeat it (a 401 does); no log ever has it. */
  apiKey: string
  random?: () => number
}) {
  const { clock, metrics, random = Math.random } = options
  const breaker = new Breaker()
  const limiter = new Limiter(options.requestsPerSecond, clock.now())
  let flying = 0
  /** What was wrong when it last failed. */
  let trouble = 'it is down'
  const requests = new Counter({
    name: 'sluice_livepeer_requests_total',
    help: 'Requests to the media provider by operation and outcome (ok, refused, limited, broken)',
    labelNames: ['operation', 'outcome'],
    registers: [metrics],
  })
  const seconds = new Histogram({
    name: 'sluice_livepeer_request_seconds',
    help: 'How long the media provider takes to answer',
    labelNames: ['operation'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [metrics],
  })
  new Gauge({
    name: 'sluice_livepeer_breaker',
    help: '1 for the state of the circuit breaker to the media provider (closed is good)',
    labelNames: ['state'],
    registers: [metrics],
    collect() {
      const now = breaker.state(clock.now())
      for (const state of STATES) this.set({ state }, state === now ? 1 : 0)
    },
  })

  async function call<T>(operation: string, again: boolean, run: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      await turn(operation)
      const done = seconds.startTimer({ operation })
      const began = clock.now()
      flying += 1
      try {
        const result = await run()
        breaker.succeeded()
        requests.inc({ operation, outcome: 'ok' })
        return result
      } catch (error) {
        const tookMs = clock.now() - began
        const wait = failed(operation, error, again && attempt < ATTEMPTS, attempt, tookMs)
        await waitFor(wait)
      } finally {
        flying -= 1
        done()
      }
    }
  }

  /** Waits for the request's turn; throws where it would take too long. */
  async function turn(operation: string): Promise<void> {
    const now = clock.now()
    if (flying >= MAX_IN_FLIGHT) throw later(operation, now + jittered(1000, random))
    const wait = limiter.take(now, MAX_WAIT_MS)
    if (wait === undefined) throw later(operation, limiter.freeAt(now) + jittered(500, random))
    if (!breaker.admit(now)) throw down(operation, breaker.retryAt(now), trouble)
    await waitFor(wait)
  }

  /** Notes a failure: gives how long to wait before the next attempt, or throws what the caller is to hear. */
  function failed(
    operation: string,
    error: unknown,
    mayRepeat: boolean,
    attempt: number,
    tookMs: number,
  ): number {
    const now = clock.now()
    const failure = classify(error, now)
    requests.inc({ operation, outcome: failure.kind })
    // Who says no, or not now, is there.
    if (failure.kind === 'refused') {
      breaker.succeeded()
      if (failure.status === 401 || failure.status === 403) throw locked(operation, now)
      const said = failure.said.replaceAll(options.apiKey, '***')
      throw new ProviderRefused(operation, failure.status, said)
    }
    if (failure.kind === 'limited') {
      breaker.succeeded()
      const until = now + failure.afterMs + jittered(200, random)
      limiter.pause(until)
      // Nothing was done, so repeating is safe whatever the operation; the next turn waits.
      if (attempt < ATTEMPTS && failure.afterMs <= MAX_WAIT_MS / 2) return 0
      throw later(operation, until)
    }
    breaker.failed(now)
    trouble = failure.what
    // What took long is not waited for again here: others wait behind.
    if (mayRepeat && tookMs < MAX_WAIT_MS && breaker.state(now) === 'closed')
      return jittered(FIRST_RETRY_MS * 2 ** attempt, random)
    // An open breaker says when; before that, a little longer each time.
    const open = breaker.state(now) !== 'closed'
    const rest = open ? breaker.retryAt(now) - now : 500 * 2 ** breaker.streak
    throw down(operation, now + rest + jittered(500, random), failure.what)
  }

  const later = (operation: string, retryAt: number) =>
    new MediaUnavailable(`livepeer: ${operation} has to wait its turn`, retryAt)

  const locked = (operation: string, now: number) =>
    new MediaUnavailable(
      `livepeer: ${operation} was refused, look at LIVEPEER_API_KEY`,
      now + LOCKED_MS,
      'the media provider does not let this relay in; its operator has to look',
    )

  const down = (operation: string, retryAt: number, what: string) =>
    new MediaUnavailable(
      `livepeer: ${operation} failed, ${what}`,
      retryAt,
      `the media provider is not available (${what}); it is asked again by itself`,
    )

  return { call, state: () => breaker.state(clock.now()) }
}
export type ProviderGuard = ReturnType<typeof providerGuard>
