import { slowCall, type Telemetry, type Topic } from '../plugin.ts'

type Told<T> = T extends Topic<infer Of> ? Of : never

/** The slowest call of one plugin's hook in a minute, and how many were slow in it. */
export type SlowMinute = Told<typeof slowCall> & { readonly calls: number }

const KEPT = 100
const MINUTE_MS = 60_000

/**
 * What was slow, in memory: for each plugin, hook and minute the slowest call, so that a flood from one does not push out what
 * was slow before. `newest()` gives the last hundred, newest first.
 *
 * @example
 * const slow = slowLog(host.telemetry)
 * slow.newest() // [{ at, plugin: 'live-chat', hook: 'write', ms: 812, event: { id, kind: 1311 }, calls: 3 }]
 */
export function slowLog(telemetry: Telemetry) {
  /** In the order in which they were first slow. */
  const minutes = new Map<string, SlowMinute>()

  const close = telemetry.on(slowCall, call => {
    const key = `${Math.floor(call.at / MINUTE_MS)} ${call.plugin} ${call.hook}`
    const before = minutes.get(key)
    const slowest = before && before.ms >= call.ms ? before : call
    minutes.set(key, { ...slowest, calls: (before?.calls ?? 0) + 1 })
    const [oldest] = minutes.keys()
    if (minutes.size > KEPT && oldest !== undefined) minutes.delete(oldest)
  })

  return { newest: (): SlowMinute[] => [...minutes.values()].reverse(), close }
}

export type SlowLog = ReturnType<typeof slowLog>
