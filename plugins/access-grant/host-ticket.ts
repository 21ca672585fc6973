import type { Context } from 'hono'
import { httpAuth } from '../http-auth.ts'
import { mediaService } from '../live-stream/backend.ts'
import { streamIds, streams } from '../live-stream/stream.ts'
import type { Host, RelayHttp } from '../plugin.ts'
import { signToken } from './token.ts'

/** The session of a token that its stream's own host holds: nothing is paid for it. */
export const HOST_SESSION = 'host'

/**
 * GET /api/v1/streams/<public id>/ticket: a host sees its own stream without paying. NIP-98 by the host; answers
 * `{"playbackUrl","expiresAt"}`.
 */
export function hostTicketApi(host: Host, ticketSeconds: number) {
  return (app: RelayHttp): void => {
    app.get('/api/v1/streams/:id/ticket', async (c: Context) => {
      const id = c.req.param('id') ?? ''
      const now = Math.floor(host.clock.now() / 1000)
      const { http } = host.urls()
      const url = `${http}/api/v1/streams/${id}/ticket`
      const auth = httpAuth(c.req.header('authorization'), { url, method: 'GET', now })
      if (!auth.ok) return c.json({ error: auth.msg }, 401)
      const named = await streamIds.get(host.store, id)
      const stream = named && (await streams.get(host.store, named.address))
      if (!stream) return c.json({ error: 'there is no such stream here' }, 404)
      if (stream.host !== auth.pubkey)
        return c.json({ error: 'only the host of a stream watches it without paying' }, 403)
      const expiresAt = now + ticketSeconds
      const claims = {
        iss: host.self,
        sub: stream.host,
        aud: stream.address,
        sid: HOST_SESSION,
        qualities: host.use(mediaService).qualities(stream.id),
        iat: now,
        exp: expiresAt,
        jti: Buffer.from(host.random(16)).toString('hex'),
      }
      const token = signToken(claims, host.signDigest)
      const playbackUrl = `${http}/p/${token}/master.m3u8`
      return c.json({ playbackUrl, expiresAt }, 200, { 'Cache-Control': 'no-store' })
    })
  }
}
