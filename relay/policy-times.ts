import { Counter, Gauge, type Registry } from 'prom-client'

/** What a policy has taken. */
export interface Taken {
  asked: number
  seconds: number
  /** The longest that one answer took. */
  slowest: number
}

/**
 * Counts how long policies take, waiting for what they wait for included. Plain numbers, for it stands in the way of each
 * event. `begin` gives the function to call when the answer is there.
 */
export function policyTimes() {
  const taken = new Map<string, Taken>()
  return {
    begin(name: string): () => void {
      const began = performance.now()
      return () => {
        const seconds = (performance.now() - began) / 1000
        let entry = taken.get(name)
        if (!entry) {
          entry = { asked: 0, seconds: 0, slowest: 0 }
          taken.set(name, entry)
        }
        entry.asked += 1
        entry.seconds += seconds
        if (seconds > entry.slowest) entry.slowest = seconds
      }
    },
    read: (): ReadonlyMap<string, Readonly<Taken>> => taken,
  }
}

/** Puts what `times` counts into /metrics. */
export function policyMetrics(
  registry: Registry,
  { times }: { times(): ReadonlyMap<string, Readonly<Taken>> },
): void {
  const registers = [registry]
  const labelNames = ['policy']
  const fill = (metric: Counter | Gauge, value: (taken: Readonly<Taken>) => number) => {
    metric.reset()
    for (const [policy, taken] of times()) metric.inc({ policy }, value(taken))
  }
  new Counter({
    name: 'sluice_policy_asked_total',
    help: 'How often each policy was asked',
    labelNames,
    registers,
    collect() {
      fill(this, ({ asked }) => asked)
    },
  })
  new Counter({
    name: 'sluice_policy_seconds_total',
    help: 'Time that each policy took, what it waited for included',
    labelNames,
    registers,
    collect() {
      fill(this, ({ seconds }) => seconds)
    },
  })
  new Gauge({
    name: 'sluice_policy_slowest_seconds',
    help: 'The longest that one answer of each policy took since the start',
    labelNames,
    registers,
    collect() {
      fill(this, ({ slowest }) => slowest)
    },
  })
}
