import { z } from 'zod'
import { kinds, markedEvent, type NostrEvent, tagValue } from '../../events/index.ts'
import { definePlugin, type Policy, reject } from '../plugin.ts'
import { hostTicketApi } from './host-ticket.ts'
import { hasFreshGrant, issuer } from './issue.ts'
import { qualityHandler } from './quality.ts'

const options = z.object({
  /** How long one grant opens playback; it is renewed at half of that while the session is paid up. */
  grantSeconds: z.int().min(10).default(300),
})

/**
 * Issues viewers' grants (5650): as soon as a session may watch, and again at half-life while it may.
 * A grant never outlives its payment: the gateway asks the session, whatever the token says.
 */
export default definePlugin({
  name: 'access-grant',
  options,
  setup(host, { grantSeconds }) {
    const issue = issuer(host, grantSeconds)
    // Whoever wrote it: what the session opens is asked of payment-stream, which checked it.
    const issueFor = async (event: NostrEvent): Promise<void> => {
      const session = markedEvent(event, 'open')
      if (session) await issue(session)
    }
    return {
      policies: [grantsAreOurs],
      handles: { [kinds.QualityRequest]: qualityHandler(host) },
      onStored: {
        // A free preview opens with the accept, before any payment.
        [kinds.StreamAccept]: async event => {
          if (tagValue(event, 'status') === 'accepted') await issueFor(event)
        },
        // Payments come often, and the renewal at half-life has its own job.
        [kinds.StreamReceipt]: {
          async when(event, reader) {
            const now = Math.floor(host.clock.now() / 1000)
            const session = markedEvent(event, 'open')
            return session !== undefined && !(await hasFreshGrant(reader, session, now))
          },
          run: issueFor,
        },
      },
      jobs: { renew: job => issue(job.key), quality: job => issue(job.key, true) },
      routes: hostTicketApi(host, grantSeconds),
    }
  },
})

/** The relay puts its grants into the store itself, so one that comes over the wire is nobody's to send. */
const grantsAreOurs: Policy = {
  name: 'grants-are-ours',
  writeKinds: [kinds.AccessGrant],
  write: () => reject('restricted: grants are issued by this relay'),
}
