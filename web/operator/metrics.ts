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

/** What a plugin has cost so far. Times in ms. */
export interface PluginCost {
  readonly name: string
  readonly calls: number
  readonly averageMs: number
}

/** Every plugin by what one call takes, the dearest first; `hook`s that wait for the outside are left out. */
export function pluginCosts(samples: readonly Sample[]): PluginCost[] {
  const sums = new Map<string, { calls: number; seconds: number }>()
  for (const { name, labels, value } of samples) {
    const { plugin = '', hook = '' } = labels
    if (!DECIDING.includes(hook)) continue
    const sum = sums.get(plugin) ?? { calls: 0, seconds: 0 }
    if (name === 'sluice_plugin_calls_total') sum.calls += value
    if (name === 'sluice_plugin_seconds_total') sum.seconds += value
    sums.set(plugin, sum)
  }
  return [...sums]
    .map(([name, { calls, seconds }]) => ({
      name,
      calls,
      averageMs: calls === 0 ? 0 : (seconds / calls) * 1000,
    }))
    .sort((a, b) => b.averageMs - a.averageMs)
}

/** What an event or a read waits for. */
const DECIDING: readonly string[] = ['write', 'read', 'visible', 'handle']
