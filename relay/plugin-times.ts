import { Counter, type Registry } from 'prom-client'
import type { Logger } from '../plugins/plugin.ts'

/** One call in so many is timed, and stands for all of them; a power of two. */
const SAMPLE = 16
/** A slow plugin is named in the log this often at most. */
const COMPLAIN_MS = 60_000

export type HookName = 'write' | 'read' | 'visible' | 'handle' | 'onStored' | 'job'

/** What leaves the process may take its time; these make a client wait. */
const AWAITED: readonly HookName[] = ['write', 'read', 'visible', 'handle']

/** Adds up the time of one plugin's hook, in ms. */
export interface Stopwatch {
  /** Of one call. */
  took(ms: number): void
  /** Of a call that stands for sixteen. */
  sampled(ms: number): void
}

/**
 * What each plugin costs, by hook: `sluice_plugin_seconds_total` and `sluice_plugin_calls_total`, and a line in the log,
 * once a minute at most, that names a plugin of which a call took longer than `slowMs()` (0: never).
 *
 * @example
 * const times = pluginTimes({ metrics, log, slowMs: () => 250 })
 * times.of('live-chat', 'write').took(0.02)
 */
export function pluginTimes(options: {
  metrics: Registry
  log: Logger
  slowMs(): number
  /** Milliseconds that only grow. */
  now?: () => number
}) {
  const { metrics, log, slowMs, now = () => performance.now() } = options
  const watches = new Map<string, { plugin: string; hook: HookName; ms: number; calls: number }>()
  const complaints = new Map<string, { at: number; calls: number }>()
  const labelNames = ['plugin', 'hook'] as const
  new Counter({
    name: 'sluice_plugin_seconds_total',
    help: 'Time that a plugin took, by hook; of policies one call in sixteen is timed',
    labelNames,
    registers: [metrics],
    collect() {
      this.reset()
      for (const { plugin, hook, ms } of watches.values()) this.inc({ plugin, hook }, ms / 1000)
    },
  })
  new Counter({
    name: 'sluice_plugin_calls_total',
    help: 'How often a plugin was called, by hook; of policies one call in sixteen is counted',
    labelNames,
    registers: [metrics],
    collect() {
      this.reset()
      for (const { plugin, hook, calls } of watches.values()) this.inc({ plugin, hook }, calls)
    },
  })

  function slow(plugin: string, hook: HookName, ms: number): void {
    const known = complaints.get(plugin) ?? { at: Number.NEGATIVE_INFINITY, calls: 0 }
    complaints.set(plugin, known)
    known.calls += 1
    if (now() - known.at < COMPLAIN_MS) return
    log.warn({ plugin, hook, ms: Math.round(ms), calls: known.calls }, 'a plugin is slow')
    known.at = now()
    known.calls = 0
  }

  return {
    /** Says for each call whether it is to be timed. */
    sampler(): () => boolean {
      let calls = -1
      return () => {
        calls = (calls + 1) % SAMPLE
        return calls === 0
      }
    },

    of(plugin: string, hook: HookName): Stopwatch {
      const key = `${plugin} ${hook}`
      const watch = watches.get(key) ?? { plugin, hook, ms: 0, calls: 0 }
      watches.set(key, watch)
      const add = (ms: number, weight: number) => {
        watch.ms += ms * weight
        watch.calls += weight
        const limit = slowMs()
        if (ms > limit && limit > 0 && AWAITED.includes(hook)) slow(plugin, hook, ms)
      }
      return { took: ms => add(ms, 1), sampled: ms => add(ms, SAMPLE) }
    },
  }
}

export type PluginTimes = ReturnType<typeof pluginTimes>
