import { Counter, Gauge, type Registry } from 'prom-client'
import type { Filter, NostrEvent } from '../events/index.ts'
import type { Clock, Logger, SlowMinute } from '../plugins/plugin.ts'

const MINUTE_MS = 60_000
const MINUTES_KEPT = 100
/** What is kept of the filters that somebody waited for. */
const FILTERS_LENGTH = 300

/** What a client waited for: the event, or what it asked for. */
export type Work = NostrEvent | readonly Filter[]

/** One plugin's hook: its last minute in which it was slow, and how often it has been in all. */
interface Hook {
  readonly plugin: string
  readonly hook: string
  minute: number
  last: { told: SlowMinute }
  total: number
}

/**
 * Notes what made a client wait longer than `slowMs()` (0: nothing): of each plugin's hook and minute the slowest call, so that
 * a flood costs little and does not push out what was slow before it. The log names each plugin once a minute at most; what
 * clients asked for stays out of it.
 *
 * @example
 * const slow = slowCalls({ metrics, log, clock, slowMs: () => 250 })
 * slow.took('live-chat', 'write', 812, event)
 * slow.newest() // [{ at, plugin: 'live-chat', hook: 'write', ms: 812, event: { id, kind: 1311 }, calls: 1 }]
 */
export function slowCalls(options: {
  metrics: Registry
  log: Logger
  clock: Clock
  slowMs(): number
}) {
  const { metrics, log, clock, slowMs } = options
  const hooks = new Map<string, Hook>()
  /** Oldest first. */
  const minutes: { told: SlowMinute }[] = []
  const complaints = new Map<string, { at: number; calls: number }>()
  new Gauge({
    name: 'sluice_slow_threshold_seconds',
    help: 'A call that makes a client wait longer is slow (slowPluginMs); 0: none is',
    registers: [metrics],
    collect() {
      this.set(slowMs() / 1000)
    },
  })
  new Counter({
    name: 'sluice_slow_calls_total',
    help: 'Calls that made a client wait longer than that, by plugin (or store) and hook',
    labelNames: ['plugin', 'hook'],
    registers: [metrics],
    collect() {
      this.reset()
      for (const { plugin, hook, total } of hooks.values()) this.inc({ plugin, hook }, total)
    },
  })

  function note(plugin: string, hook: string, ms: number, work: Work | undefined): void {
    const at = clock.now()
    const minute = Math.floor(at / MINUTE_MS)
    const key = `${plugin} ${hook}`
    const known = hooks.get(key)
    if (known?.minute === minute) {
      const { told } = known.last
      const slowest = told.ms >= ms ? told : { at, plugin, hook, ms, ...about(work) }
      known.last.told = { ...slowest, calls: told.calls + 1 }
      known.total += 1
      return
    }
    const last = { told: { at, plugin, hook, ms, ...about(work), calls: 1 } }
    hooks.set(key, { plugin, hook, minute, last, total: (known?.total ?? 0) + 1 })
    minutes.push(last)
    if (minutes.length > MINUTES_KEPT) minutes.shift()
  }

  function complain(plugin: string, hook: string, ms: number, work: Work | undefined): void {
    const known = complaints.get(plugin) ?? { at: Number.NEGATIVE_INFINITY, calls: 0 }
    complaints.set(plugin, known)
    known.calls += 1
    const now = clock.now()
    if (now - known.at < MINUTE_MS) return
    const { event } = about(work)
    log.warn({ plugin, hook, ms, ...event, calls: known.calls }, 'a call was slow')
    known.at = now
    known.calls = 0
  }

  return {
    /** Says of every call how long it took; only what was slow is looked at. */
    took(plugin: string, hook: string, ms: number, work?: Work): void {
      const limit = slowMs()
      if (ms <= limit || limit === 0) return
      note(plugin, hook, Math.round(ms), work)
      complain(plugin, hook, Math.round(ms), work)
    },
    newest: (): SlowMinute[] => minutes.map(({ told }) => told).reverse(),
  }
}

export type SlowCalls = ReturnType<typeof slowCalls>

function about(work: Work | undefined): Pick<SlowMinute, 'event' | 'filters'> {
  if (!work) return {}
  if ('id' in work) return { event: { id: work.id, kind: work.kind } }
  return { filters: JSON.stringify(work).slice(0, FILTERS_LENGTH) }
}
