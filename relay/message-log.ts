import type { Logger } from '../plugins/plugin.ts'
import type { Config } from './config/config.ts'
import type { ClientMessage } from './message.ts'

/** strfry's `relay.logging`: who sent what. Contents and tags may hold secrets, so they stay out. */
export function logMessage(
  log: Logger,
  logging: Config['relay']['logging'],
  ip: string,
  message: ClientMessage,
): void {
  if (message.type === 'bad') {
    if (logging.invalidEvents && message.answer === 'OK')
      log.info({ ip, id: message.id, msg: message.msg }, 'an event was refused')
  } else if ('event' in message) {
    const { id, pubkey, kind } = message.event
    if (logging.dumpInAll || (logging.dumpInEvents && message.type === 'EVENT'))
      log.info({ ip, type: message.type, id, pubkey, kind }, 'a message')
  } else {
    const { type, id } = message
    const asks = type === 'REQ' || type === 'COUNT' || type === 'CLOSE'
    const filters = 'filters' in message ? message.filters : undefined
    if (logging.dumpInAll || (logging.dumpInReqs && asks))
      log.info({ ip, type, id, filters }, 'a message')
  }
}
