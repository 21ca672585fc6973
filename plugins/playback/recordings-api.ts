import type { Context } from 'hono'
import { httpAuth } from '../http-auth.ts'
import { mediaService } from '../live-stream/backend.ts'
import { type LiveStream, streamIds, streams } from '../live-stream/stream.ts'
import type { Host, RelayHttp } from '../plugin.ts'
import { hostUrl } from './recordings.ts'

/** How long the addresses in a list open their files, seconds. */
const OPEN_SECONDS = 86_400

/** The host's own recordings: a list with addresses that open them, and a way to delete one. Both by NIP-98. */
export function recordingsApi(host: Host, app: RelayHttp): void {
  const recordings = () => host.use(mediaService).recordings

  app.get('/api/v1/streams/:id/recordings', async c => {
    const stream = await ownStream(c)
    if (stream instanceof Response) return stream
    const expiresAt = Math.floor(host.clock.now() / 1000) + OPEN_SECONDS
    const found = (await recordings()?.list(stream.id)) ?? []
    const list = found.map(recording => {
      const { mp4, ...said } = recording
      const url = (file: string) => hostUrl(host, stream, { name: recording.name, file }, expiresAt)
      return { ...said, url: url('index.m3u8'), mp4: mp4.map(url) }
    })
    return c.json(
      { stream: stream.address, recordings: list, urlsExpireAt: expiresAt },
      200,
      noStore,
    )
  })

  app.delete('/api/v1/streams/:id/recordings/:name', async c => {
    const stream = await ownStream(c)
    if (stream instanceof Response) return stream
    const gone = await recordings()?.delete(stream.id, c.req.param('name'))
    if (!gone) return c.json({ error: 'there is no such recording (any more)' }, 404, noStore)
    return c.json({ deleted: c.req.param('name') }, 200, noStore)
  })

  /** The stream that the path names, when its host (or the relay itself) has signed the request. */
  async function ownStream(c: Context): Promise<LiveStream | Response> {
    const url = `${host.urls().http}${new URL(c.req.url).pathname}`
    const now = Math.floor(host.clock.now() / 1000)
    const auth = httpAuth(c.req.header('authorization'), { url, method: c.req.method, now })
    if (!auth.ok) return c.json({ error: auth.msg }, 401, noStore)
    const found = await streamIds.get(host.store, c.req.param('id') ?? '')
    const stream = found && (await streams.get(host.store, found.address))
    if (!stream) return c.json({ error: 'there is no such stream here' }, 404, noStore)
    if (auth.pubkey === stream.host || auth.pubkey === host.self) return stream
    return c.json({ error: 'only the host of a stream sees its recordings here' }, 403, noStore)
  }
}

const noStore = { 'Cache-Control': 'no-store' }
