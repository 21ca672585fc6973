import { accept, type Decision, type Policy, type PolicyContext, reject } from '../plugin.ts'
import type { Lists } from './lists.ts'

/** Holds what the operator decided over NIP-86: bans of pubkeys, events, kinds and addresses, and lists of who may. */
export function managementPolicy(lists: Lists, self: string): Policy {
  const bannedPubkeys = lists.list('banned-pubkey')
  const allowedPubkeys = lists.list('allowed-pubkey')
  const bannedEvents = lists.list('banned-event')
  const allowedKinds = lists.list('allowed-kind')
  const disallowedKinds = lists.list('disallowed-kind')
  const blockedIps = lists.list('blocked-ip')

  function address({ source }: PolicyContext): Decision | undefined {
    if (source.type !== 'IP4' && source.type !== 'IP6') return undefined
    return blockedIps.has(source.info)
      ? reject('blocked: the operator keeps your address out')
      : undefined
  }

  return {
    name: 'management',
    write(event, ctx) {
      const refused = address(ctx)
      if (refused) return refused
      if (event.pubkey === self) return accept
      if (bannedPubkeys.has(event.pubkey))
        return reject('blocked: the operator keeps this pubkey out')
      if (bannedEvents.has(event.id)) return reject('blocked: the operator took this event out')
      if (allowedPubkeys.size > 0 && !allowedPubkeys.has(event.pubkey))
        return reject('restricted: only pubkeys that the operator let in write here')
      const kind = String(event.kind)
      if (disallowedKinds.has(kind) || (allowedKinds.size > 0 && !allowedKinds.has(kind)))
        return reject(`blocked: kind ${kind} is not taken here`)
      return accept
    },
    read: (_, ctx) => address(ctx) ?? accept,
  }
}
