import type { NostrEvent } from '../events/index.ts'
import type { Admission, PolicyContext } from '../plugins/plugin.ts'
import type { Judge } from './judge.ts'
import { eventProblem } from './message.ts'
import { eventId } from './verify.ts'

/**
 * The door for events that plugins receive by other ways than a WebSocket: shape, id, signature and the write policies
 * decide as they do for an EVENT message. Nothing is stored.
 */
export function admitter(options: {
  judge: Pick<Judge, 'write'>
  verify(event: NostrEvent): boolean
}) {
  const { judge, verify } = options
  return async (value: unknown, ctx: PolicyContext): Promise<Admission> => {
    if (typeof value !== 'object' || value === null) return no('invalid: this is not an event')
    const problem = eventProblem(value)
    if (problem) return no(`invalid: ${problem}`)
    const { id, pubkey, created_at, kind, tags, content, sig } = value as NostrEvent
    const event = { id, pubkey, created_at, kind, tags, content, sig }
    if (eventId(event) !== id) return no('invalid: the id is not the hash of the event')
    if (!verify(event)) return no('invalid: the signature does not verify')
    const decision = await judge.write(event, ctx)
    if (decision.action === 'accept') return { ok: true, event }
    return no(decision.action === 'reject' ? decision.msg : 'blocked: not here')
  }
}

const no = (msg: string): Admission => ({ ok: false, msg })
