import { describePrice, isPaid } from '../../events/index.ts'
import { HOST_SESSION } from '../access-grant/host-ticket.ts'
import { tokenVerifier } from '../access-grant/token.ts'
import { type LiveStream, streamClock, streamIds, streams } from '../live-stream/stream.ts'
import { accessOf } from '../payment-stream/access.ts'
import type { Host } from '../plugin.ts'
import { isPublicId } from './path.ts'
import { previews } from './preview.ts'

/** Why a request is refused; `stream` adds its price to the answer. */
export interface Refusal {
  readonly ok?: false
  readonly status: 401 | 402 | 403 | 404 | 410 | 429 | 503
  readonly error: string
  readonly stream?: LiveStream
}

/** A ticket that opens playback now. */
export interface Admission {
  readonly ok: true
  readonly streamId: string
  /** Whom the request counts for: a session, or an address without one. */
  readonly viewer: string
  /** Asked for each segment: undefined when media that ends at `endMs` may be served at `now` (unix ms). */
  until(endMs: number, now: number): Refusal | undefined
}

/** Makes the function that decides on a ticket. It reads the store each time: "paid" is only true now. */
export function gate(host: Host) {
  const verifyToken = tokenVerifier(host.self)
  const preview = previews(host)

  return async (ticket: string, ip: string, now: number): Promise<Admission | Refusal> =>
    isPublicId(ticket) ? openTicket(ticket, ip, now) : paidTicket(ticket, now)

  async function paidTicket(token: string, now: number): Promise<Admission | Refusal> {
    const verified = verifyToken(token, Math.floor(now / 1000))
    if (!verified.ok)
      return { status: 401, error: `this access token is ${verified.problem}, ask for a new grant` }
    const { aud, sid, sub } = verified.claims
    const stream = await streams.get(host.store, aud)
    // A host sees its own stream, and pays nobody for it.
    if (stream && sid === HOST_SESSION && sub === stream.host)
      return { ok: true, streamId: stream.id, viewer: token, until: () => undefined }
    const access = await accessOf(host.store, sid)
    if (!stream || !access) return { status: 404, error: 'this stream is not here any more' }
    const until = (endMs: number, at: number): Refusal | undefined => {
      const verdict = access.serves(stream, endMs, at)
      return verdict.ok ? undefined : { status: 402, error: verdict.reason, stream }
    }
    return until(now, now) ?? { ok: true, streamId: stream.id, viewer: sid, until }
  }

  async function openTicket(id: string, ip: string, now: number): Promise<Admission | Refusal> {
    const found = await streamIds.get(host.store, id)
    const stream = found && (await streams.get(host.store, found.address))
    if (!stream) return { status: 404, error: 'there is no such stream here' }
    const viewer = `${id} ${ip}`
    if (!isPaid(stream)) return { ok: true, streamId: id, viewer, until: () => undefined }
    const previewEnd = await preview(stream, ip, now)
    const until = (_endMs: number, at: number): Refusal | undefined =>
      previewEnd !== undefined && streamClock(stream, at) < previewEnd
        ? undefined
        : { status: 402, error: `this stream costs ${describePrice(stream.price)}`, stream }
    return until(now, now) ?? { ok: true, streamId: id, viewer, until }
  }
}
