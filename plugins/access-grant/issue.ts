import { z } from 'zod'
import { grantTemplate, type NostrEvent, type ViewerGrant } from '../../events/index.ts'
import { collection } from '../collection.ts'
import { mediaService } from '../live-stream/backend.ts'
import { type LiveStream, streams } from '../live-stream/stream.ts'
import { type Access, accessOf } from '../payment-stream/access.ts'
import type { Host, Reader } from '../plugin.ts'
import { signToken } from './token.ts'

/** The newest grant of a session, by the session's id. Times in unix seconds. */
const grants = collection(
  'grant',
  z.object({ event: z.string(), issuedAt: z.number(), expiresAt: z.number() }),
)

type Grant = { readonly issuedAt: number; readonly expiresAt: number }

/** Before half of its life a grant is not renewed. */
const isFresh = ({ issuedAt, expiresAt }: Grant, now: number): boolean =>
  now < issuedAt + (expiresAt - issuedAt) / 2

/** True while the session's grant is as good as a new one: then a receipt brings none. Unix seconds. */
export async function hasFreshGrant(
  reader: Reader,
  session: string,
  now: number,
): Promise<boolean> {
  const last = await grants.get(reader, session)
  return last !== undefined && isFresh(last, now)
}

/**
 * Makes the function that brings a session's grant up to date; twice is the same as once, unless `anew` asks for another
 * one before its time.
 */
export function issuer(host: Host, grantSeconds: number) {
  return (sessionId: string, anew = false): Promise<void> =>
    host.store.transaction(async tx => {
      const nowMs = host.clock.now()
      const now = Math.floor(nowMs / 1000)
      const access = await accessOf(tx, sessionId)
      const stream = access && (await streams.get(tx, access.address))
      if (!access || !stream || !access.serves(stream, nowMs, nowMs).ok) return

      const last = await grants.get(tx, sessionId)
      if (!anew && last && isFresh(last, now)) return
      const expiresAt = Math.min(now + grantSeconds, access.endsAt ?? Number.POSITIVE_INFINITY)
      const times = { issuedAt: now, expiresAt }
      const event = viewerGrant(host, sessionId, access, stream, times)
      // Only the newest is kept: an older token says nothing that this one does not.
      if (last) await tx.removeEvent(last.event)
      await tx.putEvent(event)
      await grants.put(tx, sessionId, { event: event.id, ...times })
      await tx.enqueue({ name: 'renew', key: sessionId, runAt: nowMs + (expiresAt - now) * 500 })
    })
}

function viewerGrant(
  host: Host,
  session: string,
  { viewer }: Access,
  stream: LiveStream,
  { issuedAt, expiresAt }: Grant,
): NostrEvent {
  const qualities = host.use(mediaService).qualities(stream.id)
  const token = signToken(
    {
      iss: host.self,
      sub: viewer,
      aud: stream.address,
      sid: session,
      qualities,
      iat: issuedAt,
      exp: expiresAt,
      jti: Buffer.from(host.random(16)).toString('hex'),
    },
    host.signDigest,
  )
  const playbackUrl = `${host.urls().http}/p/${token}/master.m3u8`
  const content: ViewerGrant = { token, playbackUrl, qualities, expiresAt }
  return host.sign(
    grantTemplate({
      grantee: viewer,
      address: stream.address,
      role: 'viewer',
      session,
      createdAt: issuedAt,
      expiresAt,
      content: host.encrypt(viewer, JSON.stringify(content)),
    }),
  )
}
