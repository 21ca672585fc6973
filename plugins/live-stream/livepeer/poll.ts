import type { Clock, Logger } from '../../plugin.ts'
import { MediaUnavailable } from '../backend.ts'

/** Slower by this factor at most while nothing happens. */
const SLOWEST = 10
const GROWTH = 1.3

/**
 * Asks again and again, slower while nothing changes and at full pace after `soon()`; a provider that is down is
 * asked when it says so.
 */
export function poller(options: {
  clock: Clock
  log: Logger
  everyMs: number
  /** Resolves with whether something changed, and with when to ask again (ms) where that is known. */
  ask(): Promise<{ changed: boolean; askAgain?: number }>
}) {
  const { clock, log, everyMs, ask } = options
  let wait = everyMs
  let timer: NodeJS.Timeout | undefined
  let asking: Promise<void> | undefined
  let closed = false

  async function once(): Promise<void> {
    try {
      const { changed, askAgain } = await ask()
      const slower = Math.min(wait * GROWTH, everyMs * SLOWEST)
      wait = changed ? everyMs : Math.min(slower, askAgain ?? slower)
    } catch (error) {
      wait = Math.min(wait * 2, everyMs * SLOWEST)
      if (error instanceof MediaUnavailable) wait = Math.max(wait, error.retryAt - clock.now())
      else log.error({ cause: String(error) }, 'the media provider could not be polled')
    }
  }

  function run(): void {
    if (closed || asking) return
    clearTimeout(timer)
    asking = once().finally(() => {
      asking = undefined
      if (!closed) timer = setTimeout(run, wait)
    })
  }

  return {
    start: run,
    /** Something is about to happen: full pace from now on. */
    soon(): void {
      wait = everyMs
      if (closed || asking) return
      clearTimeout(timer)
      timer = setTimeout(run, everyMs)
    },
    async close(): Promise<void> {
      closed = true
      clearTimeout(timer)
      await asking
    },
  }
}
