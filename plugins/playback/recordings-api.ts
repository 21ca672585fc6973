import type { Context } from 'hono'
import { kinds } from '../../events/index.ts'
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
    const urlsExpireAt = expiry()
    const list = await listOf(stream, urlsExpireAt)
    return c.json({ stream: stream.address, recordings: list, urlsExpireAt }, 200, noStore)
  })

  // One signature for all of a host's streams: some signers ask their person each time.
  app.get('/api/v1/recordings', async c => {
    const by = signerOf(c)
    if (by instanceof Response) return by
    const urlsExpireAt = expiry()
    const mine = await streams.list(host.store, { prefix: `${kinds.LiveStream}:${by}:` })
    const lists = mine.map(async ({ value: stream }) =>
      (await listOf(stream, urlsExpireAt)).map(said => ({
        stream: stream.address,
        title: stream.title,
        ...said,
      })),
    )
    const all = (await Promise.all(lists)).flat().sort((a, b) => b.startedAt - a.startedAt)
    return c.json({ recordings: all, urlsExpireAt }, 200, noStore)
  })

  app.delete('/api/v1/streams/:id/recordings/:name', async c => {
    const stream = await ownStream(c)
    if (stream instanceof Response) return stream
    const gone = await recordings()?.delete(stream.id, c.req.param('name'))
    if (!gone) return c.json({ error: 'there is no such recording (any more)' }, 404, noStore)
    return c.json({ deleted: c.req.param('name') }, 200, noStore)
  })

  const expiry = (): number => Math.floor(host.clock.now() / 1000) + OPEN_SECONDS

  /** A stream's recordings, newest first, with addresses that open their files. */
  async function listOf(stream: LiveStream, expiresAt: number) {
    const found = (await recordings()?.list(stream.id)) ?? []
    return found.map(({ mp4, ...said }) => {
      const url = (file: string) => hostUrl(host, stream, { name: said.name, file }, expiresAt)
      return { ...said, url: url('index.m3u8'), mp4: mp4.map(url) }
    })
  }

  /** Who has signed the request, hex; the answer for a request that is not signed. */
  function signerOf(c: Context): string | Response {
    const url = `${host.urls().http}${new URL(c.req.url).pathname}`
    const now = Math.floor(host.clock.now() / 1000)
    const auth = httpAuth(c.req.header('authorization'), { url, method: c.req.method, now })
    return auth.ok ? auth.pubkey : c.json({ error: auth.msg }, 401, noStore)
  }

  /** The stream that the path names, when its host (or the relay itself) has signed the request. */
  async function ownStream(c: Context): Promise<LiveStream | Response> {
    const by = signerOf(c)
    if (by instanceof Response) return by
    const found = await streamIds.get(host.store, c.req.param('id') ?? '')
    const stream = found && (await streams.get(host.store, found.address))
    if (!stream) return c.json({ error: 'there is no such stream here' }, 404, noStore)
    if (by === stream.host || by === host.self) return stream
    return c.json({ error: 'only the host of a stream sees its recordings here' }, 403, noStore)
  }
}

const noStore = { 'Cache-Control': 'no-store' }
