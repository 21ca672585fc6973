import { kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import { fromClient, networkOf } from '../../policies/source.ts'
import { tokenBuckets } from '../../policies/token-bucket.ts'
import { type Decision, type Host, type PolicyContext, reject } from '../plugin.ts'
import type { Members } from './members.ts'

/**
 * Takes join and leave requests (28934, 28936): the answer is the OK. They are ephemeral, and as their handler keeps
 * them, no reader sees them: a claim is a secret.
 */
export function requestHandler(host: Host, members: Members) {
  const pace = tokenBuckets({ ratePerSecond: 0.2, burst: 10, maxKeys: 10_000 })
  return async (event: NostrEvent, ctx: PolicyContext): Promise<Decision> => {
    if (fromClient(ctx) && !pace.take(networkOf(ctx.source.info), host.clock.now()))
      return reject('rate-limited: too many requests from your address, wait a moment')
    if (event.kind === kinds.LeaveRequest) return members.leave(event.pubkey)
    return members.join(event.pubkey, tagValue(event, 'claim') ?? '')
  }
}
