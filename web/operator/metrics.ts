/** One line of /metrics. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads Prometheus' text format, as far as the relay writes it. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap(line => {
    const match = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line)
    if (!match) return []
    const [, name = '', inner = '', value = ''] = match
    const pairs = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
    return [
      {
        name,
        labels: Object.fromEntries(pairs.map(([, key = '', said = '']) => [key, said])),
        value: Number(value),
      },
    ]
  })
}

/** The sum of a metric over all its labels (or those that fit). */
export const total = (
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number =>
  samples
    .filter(
      sample =>
        sample.name === name &&
        Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
    .reduce((sum, { value }) => sum + value, 0)

/** What a policy has cost so far. Times in ms. */
export interface PolicyCost {
  readonly name: string
  readonly asked: number
  readonly averageMs: number
  readonly slowestMs: number
}

/** Every policy by what one answer takes, the dearest first. */
export function policyCosts(samples: readonly Sample[]): PolicyCost[] {
  const asked = samples.filter(({ name }) => name === 'sluice_policy_asked_total')
  return asked
    .map(({ labels, value }) => {
      const of = { policy: labels.policy ?? '' }
      const seconds = total(samples, 'sluice_policy_seconds_total', of)
      return {
        name: of.policy,
        asked: value,
        averageMs: value === 0 ? 0 : (seconds / value) * 1000,
        slowestMs: total(samples, 'sluice_policy_slowest_seconds', of) * 1000,
      }
    })
    .sort((a, b) => b.averageMs - a.averageMs)
}
