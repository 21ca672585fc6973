import { type NostrEvent, parseQualityRequest } from '../../events/index.ts'
import { mediaService } from '../live-stream/backend.ts'
import { streams } from '../live-stream/stream.ts'
import { mayServe, sessions } from '../payment-stream/session.ts'
import { accept, type Decision, type Host, reject } from '../plugin.ts'

/**
 * Answers a 5651: refuses a quality that the stream has not, or that is not paid for, else asks for a new grant (job
 * `quality`). Every quality of a stream costs the same: what is paid opens all of them.
 */
export function qualityHandler(host: Host) {
  return async (event: NostrEvent): Promise<Decision> => {
    const said = parseQualityRequest(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    const { viewer, session: id, quality } = said.value
    return host.store.transaction(async tx => {
      const session = await sessions.get(tx, id)
      const stream = session && (await streams.get(tx, session.address))
      if (!session || !stream || session.viewer !== viewer)
        return reject('restricted: this is no session of yours')
      const nowMs = host.clock.now()
      const verdict = mayServe(session, stream, nowMs, nowMs)
      if (!verdict.ok) return reject(`restricted: ${verdict.reason}`)
      const offered = host.use(mediaService).qualities(stream.id)
      if (!offered.includes(quality))
        return reject(`restricted: this stream comes in ${offered.join(', ') || 'source'}`)
      // It is a question, not a record: the grant that answers it is kept.
      await tx.enqueue({ name: 'quality', key: id })
      return accept
    })
  }
}
