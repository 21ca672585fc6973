import { signToken, tokenVerifier } from '../access-grant/token.ts'
import type { MediaSource } from '../live-stream/backend.ts'
import { publicId } from '../live-stream/lifecycle.ts'
import type { Host } from '../plugin.ts'
import type { Refusal } from './gate.ts'
import { isPublicId } from './path.ts'

/** A host's ticket for one of its recordings says so where a viewer's names a session. */
const ticketFor = (name: string): string => `recording ${name}`

/**
 * Makes the function that decides on a recording: everybody may have one of a stream that was free throughout, by the stream's
 * public id; any other needs its host's ticket. What a viewer has paid for is live time, and buys no recording.
 */
export function recordingGate(host: Host, media: () => MediaSource) {
  const verifyToken = tokenVerifier(host.self)

  return async (
    ticket: string,
    name: string,
    now: number,
  ): Promise<{ readonly ok: true; readonly streamId: string } | Refusal> => {
    const open = isPublicId(ticket)
    const verified = open ? undefined : verifyToken(ticket, Math.floor(now / 1000))
    if (verified && !verified.ok)
      return { status: 401, error: `this ticket is ${verified.problem}, ask for a new one` }
    const streamId = verified ? publicId(verified.claims.aud) : ticket
    const found = await media().recordings?.get(streamId, name)
    if (!found) return { status: 404, error: 'there is no such recording (any more)' }
    const mine = verified?.claims.sid === ticketFor(name)
    if (mine || !found.hostOnly) return { ok: true, streamId }
    return { status: 403, error: 'this recording is for the host of the stream alone' }
  }
}

/** The address of a file of a recording that its host alone may open; whoever has the address has the file, until `expiresAt` (unix s). */
export function hostUrl(
  host: Host,
  stream: { address: string; host: string },
  recording: { name: string; file: string },
  expiresAt: number,
): string {
  const token = signToken(
    {
      iss: host.self,
      sub: stream.host,
      aud: stream.address,
      sid: ticketFor(recording.name),
      qualities: [],
      iat: Math.floor(host.clock.now() / 1000),
      exp: expiresAt,
      jti: Buffer.from(host.random(16)).toString('hex'),
    },
    host.signDigest,
  )
  return `${host.urls().http}/p/${token}/${recording.name}/${recording.file}`
}
