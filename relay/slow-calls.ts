import { Gauge, type Registry } from 'prom-client'
import type { Filter, NostrEvent } from '../events/index.ts'
import { type Clock, type Logger, slowCall, type Telemetry } from '../plugins/plugin.ts'

/** One plugin is named in the log this often at most. */
const COMPLAIN_MS = 60_000
/** What is kept of the filters that somebody waited for. */
const FILTERS_LENGTH = 300

/** What a client waited for: the event, or what it asked for. */
export type Work = NostrEvent | readonly Filter[]

/** Says that a call took so long; only one that was slow is looked at. */
export type SlowCalls = (plugin: string, hook: string, ms: number, work?: Work) => void

/**
 * Tells of each call that made a client wait longer than `slowMs()` (0: of none): at once to who listens for `slowCall`, and
 * in the log once a minute and plugin at most. What a client asked for stays out of the log.
 *
 * @example
 * const slow = slowCalls({ metrics, log, telemetry, clock, slowMs: () => 250 })
 * slow('live-chat', 'write', 812, event)
 */
export function slowCalls(options: {
  metrics: Registry
  log: Logger
  telemetry: Telemetry
  clock: Clock
  slowMs(): number
}): SlowCalls {
  const { metrics, log, telemetry, clock, slowMs } = options
  const complaints = new Map<string, { at: number; calls: number }>()
  new Gauge({
    name: 'sluice_slow_threshold_seconds',
    help: 'A call that makes a client wait longer is slow (slowPluginMs); 0: none is',
    registers: [metrics],
    collect() {
      this.set(slowMs() / 1000)
    },
  })

  function complain(fields: { plugin: string; hook: string; ms: number; id?: string }): void {
    const known = complaints.get(fields.plugin) ?? { at: Number.NEGATIVE_INFINITY, calls: 0 }
    complaints.set(fields.plugin, known)
    known.calls += 1
    const now = clock.now()
    if (now - known.at < COMPLAIN_MS) return
    log.warn({ ...fields, calls: known.calls }, 'a call was slow')
    known.at = now
    known.calls = 0
  }

  return (plugin, hook, took, work) => {
    const limit = slowMs()
    if (took <= limit || limit === 0) return
    const ms = Math.round(took)
    const event = work && 'id' in work ? { id: work.id, kind: work.kind } : undefined
    const filters =
      work && !('id' in work) ? JSON.stringify(work).slice(0, FILTERS_LENGTH) : undefined
    telemetry.emit(slowCall, { at: clock.now(), plugin, hook, ms, event, filters })
    complain({ plugin, hook, ms, ...event })
  }
}
