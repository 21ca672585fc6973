import { Counter, type Registry } from 'prom-client'
import type { Logger } from '../plugins/plugin.ts'
import type { Telemetry } from '../plugins/telemetry.ts'
import { describe } from './describe.ts'

type Listener = (told: never) => void

/** The stream of what happens in this process, one for all plugins; /metrics counts it by topic. */
export function telemetry(options: { log: Logger; metrics: Registry }): Telemetry {
  const listeners = new Map<string, Set<Listener>>()
  const told = new Counter({
    name: 'sluice_telemetry_total',
    help: 'What plugins told each other, by topic',
    labelNames: ['topic'],
    registers: [options.metrics],
  })

  function tell(name: string, listener: Listener, what: never): void {
    try {
      listener(what)
    } catch (error) {
      options.log.error({ topic: name, cause: describe(error) }, 'a listener of telemetry failed')
    }
  }

  return {
    emit({ name }, what) {
      told.inc({ topic: name })
      const now = listeners.get(name)
      // Not at once: whoever emits is in the middle of something.
      if (now?.size)
        queueMicrotask(() => {
          for (const listener of [...now]) tell(name, listener, what as never)
        })
    },
    on({ name }, listener) {
      const mine = (what: never) => listener(what)
      const all = listeners.get(name) ?? new Set()
      listeners.set(name, all.add(mine))
      return () => void all.delete(mine)
    },
  }
}
