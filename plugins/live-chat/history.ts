import { kinds } from '../../events/index.ts'
import { streams } from '../live-stream/stream.ts'
import type { Host } from '../plugin.ts'

const HOUR_MS = 3_600_000
/** Taken out in one transaction. */
const AT_ONCE = 200

/** The hourly look at the chats of streams that are over: their newest `keep` messages stay, 0 for all. */
export function chatHistory(host: Host, keep: number) {
  const { store, clock, log } = host

  const again = (runAt: number): Promise<void> =>
    store.transaction(tx => tx.enqueue({ name: 'history', key: 'all', runAt }))

  async function trim(addresses: readonly string[]): Promise<number> {
    const said = await store.events([{ kinds: [kinds.LiveChat], '#a': addresses }])
    const old = said.slice(keep)
    for (let i = 0; i < old.length; i += AT_ONCE)
      await store.transaction(async tx => {
        for (const { id } of old.slice(i, i + AT_ONCE)) await tx.removeEvent(id)
      })
    return old.length
  }

  return {
    async history(): Promise<void> {
      for (const { key, value } of keep > 0 ? await streams.list(store) : []) {
        if (value.status !== 'ended') continue
        // Chats name the host's announcement or our companion.
        const removed = await trim([key, `${kinds.LiveStream}:${host.self}:${value.id}`])
        if (removed > 0) log.info({ stream: key, removed }, 'older chat was taken out')
      }
      await again(clock.now() + HOUR_MS)
    },
    start: () => again(clock.now() + 1000),
  }
}
