import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until something is so, looked at every 10 ms. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (await condition()) return
  throw new Error(`it did not happen in ${ms} ms`)
}
