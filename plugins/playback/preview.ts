import { createHash } from 'node:crypto'
import { z } from 'zod'
import { networkOf } from '../../policies/source.ts'
import { collection } from '../collection.ts'
import { type LiveStream, streamClock } from '../live-stream/stream.ts'
import type { Host } from '../plugin.ts'

const publicPreviews = collection(
  'public-preview',
  z.object({ address: z.string(), startedAt: z.number() }),
)

/**
 * The free preview of a viewer who shows no token: one for each network, host and day, persisted, so that
 * reloading the page gives no second one. Gives the value of the stream's clock (ms) at which it ends.
 */
export function previews(host: Host) {
  return async (stream: LiveStream, ip: string, now: number): Promise<number | undefined> => {
    if (stream.freePreviewSeconds === 0) return undefined
    const day = new Date(now).toISOString().slice(0, 10)
    const key = createHash('sha256')
      .update(`${networkOf(ip)} ${stream.host} ${day}`)
      .digest('hex')
    const used = (await publicPreviews.get(host.store, key)) ?? (await begin(key, stream, now))
    if (used?.address !== stream.address) return undefined
    return used.startedAt + stream.freePreviewSeconds * 1000
  }

  /** Begins it while media flows: waiting for a stream to start costs nobody the preview. */
  async function begin(key: string, stream: LiveStream, now: number) {
    if (stream.liveSince === undefined) return undefined
    return host.store.transaction(async tx => {
      const other = await publicPreviews.get(tx, key)
      if (other) return other
      const preview = { address: stream.address, startedAt: streamClock(stream, now) }
      await publicPreviews.put(tx, key, preview)
      return preview
    })
  }
}
