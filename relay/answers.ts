import type { Decision } from '../plugins/plugin.ts'
import type { ClientMessage } from './message.ts'

/** What stands behind the id in an OK (NIP-01). */
export function toOk(decision: Decision): [ok: boolean, msg: string] {
  if (decision.action === 'reject') return [false, decision.msg]
  return [true, (decision.action === 'accept' && decision.msg) || '']
}

/** Said where the fault is ours. */
export const BROKEN = 'error: the relay could not do this now, try again later'

/** How a message is refused, by its verb; `msg` is a sentence after a NIP-01 prefix. */
export function refusal(message: ClientMessage, msg: string): unknown[] {
  switch (message.type) {
    case 'EVENT':
    case 'AUTH':
      return ['OK', message.event.id, false, msg]
    case 'REQ':
    case 'COUNT':
      return ['CLOSED', message.id, msg]
    case 'NEG-OPEN':
    case 'NEG-MSG':
      return ['NEG-ERR', message.id, msg]
    case 'bad':
      if (message.answer === 'NOTICE') return ['NOTICE', msg]
      return message.answer === 'OK'
        ? ['OK', message.id, false, msg]
        : [message.answer, message.id, msg]
    default:
      return ['NOTICE', msg]
  }
}
