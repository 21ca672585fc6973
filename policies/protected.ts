import type { Policy } from '../plugins/plugin.ts'

/** NIP-70: an event with a `["-"]` tag comes from its author, authenticated, or not at all. */
export const protectedEvents = (): Policy => ({
  name: 'protected',
  write(event, { authed }) {
    if (!event.tags.some(tag => tag[0] === '-' && tag.length === 1)) return { action: 'accept' }
    if (authed.includes(event.pubkey)) return { action: 'accept' }
    const msg =
      authed.length === 0
        ? 'auth-required: this event is protected, only its author may publish it'
        : 'restricted: this event is protected, only its author may publish it'
    return { action: 'reject', msg }
  },
})
