import { Counter, type Registry } from 'prom-client'
import type { SlowCalls, Work } from './slow-calls.ts'

/** One call in so many is timed, and stands for all of them; a power of two. */
const SAMPLE = 16

export type HookName = 'write' | 'read' | 'visible' | 'handle' | 'onStored' | 'job'

/** What leaves the process may take its time; these make a client wait. */
const AWAITED: readonly HookName[] = ['write', 'read', 'visible', 'handle']

/** Adds up the time of one plugin's hook, in ms; `work` is what for. */
export interface Stopwatch {
  /** Of one call. */
  took(ms: number, work?: Work): void
  /** Of a call that stands for sixteen. */
  sampled(ms: number, work?: Work): void
  /** Of a call that another one stands for: it only counts where it was slow. */
  passed(ms: number, work?: Work): void
}

/**
 * What each plugin costs, by hook: `sluice_plugin_seconds_total` and `sluice_plugin_calls_total`. What made a client wait
 * longer than it should is noted in `slow`.
 *
 * @example
 * const times = pluginTimes({ metrics, slow })
 * times.of('live-chat', 'write').took(0.02)
 */
export function pluginTimes({ metrics, slow }: { metrics: Registry; slow: SlowCalls }) {
  const watches = new Map<string, { plugin: string; hook: HookName; ms: number; calls: number }>()
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
      const isAwaited = AWAITED.includes(hook)
      const add = (ms: number, weight: number, work?: Work) => {
        watch.ms += ms * weight
        watch.calls += weight
        if (isAwaited) slow.took(plugin, hook, ms, work)
      }
      return {
        took: (ms, work) => add(ms, 1, work),
        sampled: (ms, work) => add(ms, SAMPLE, work),
        passed: (ms, work) => add(ms, 0, work),
      }
    },
  }
}

export type PluginTimes = ReturnType<typeof pluginTimes>
