import { z } from 'zod'
import { grantTemplate, type NostrEvent, type ViewerGrant } from '../../events/index.ts'
import { collection } from '../collection.ts'
import { mediaService } from '../live-stream/backend.ts'
import { type LiveStream, streams } from '../live-stream/stream.ts'
import { mayServe, type Session, sessions } from '../payment-stream/session.ts'
import type { Host } from '../plugin.ts'
import { signToken } from './token.ts'

/** The newest grant of a session, by the session's id. Times in unix seconds. */
const grants = collection(
  'grant',
  z.object({ event: z.string(), issuedAt: z.number(), expiresAt: z.number() }),
)

/**
 * Makes the function that brings a session's grant up to date; twice is the same as once, unless `anew` asks for another
 * one before its time.
 */
export function issuer(host: Host, grantSeconds: number) {
  return (sessionId: string, anew = false): Promise<void> =>
    host.store.transaction(async tx => {
      const nowMs = host.clock.now()
      const now = Math.floor(nowMs / 1000)
      const session = await sessions.get(tx, sessionId)
      const stream = session?.address ? await streams.get(tx, session.address) : undefined
      if (!session || !stream || !mayServe(session, stream, nowMs, nowMs).ok) return

      const last = await grants.get(tx, sessionId)
      if (!anew && last && now < last.issuedAt + (last.expiresAt - last.issuedAt) / 2) return
      const expiresAt = now + grantSeconds
      const event = viewerGrant(host, session, stream, now, expiresAt)
      // Only the newest is kept: an older token says nothing that this one does not.
      if (last) await tx.removeEvent(last.event)
      await tx.putEvent(event)
      await grants.put(tx, sessionId, { event: event.id, issuedAt: now, expiresAt })
      await tx.enqueue({ name: 'renew', key: sessionId, runAt: nowMs + grantSeconds * 500 })
    })
}

function viewerGrant(
  host: Host,
  session: Session,
  stream: LiveStream,
  now: number,
  expiresAt: number,
): NostrEvent {
  const qualities = host.use(mediaService).qualities(stream.id)
  const token = signToken(
    {
      iss: host.self,
      sub: session.viewer,
      aud: stream.address,
      sid: session.id,
      qualities,
      iat: now,
      exp: expiresAt,
      jti: Buffer.from(host.random(16)).toString('hex'),
    },
    host.signDigest,
  )
  const playbackUrl = `${host.urls().http}/p/${token}/master.m3u8`
  const content: ViewerGrant = { token, playbackUrl, qualities, expiresAt }
  return host.sign(
    grantTemplate({
      grantee: session.viewer,
      address: stream.address,
      role: 'viewer',
      session: session.id,
      createdAt: now,
      expiresAt,
      content: host.encrypt(session.viewer, JSON.stringify(content)),
    }),
  )
}
