import { z } from 'zod'
import type { NostrEvent } from '../events/index.ts'
import { definePolicy, type Policy } from '../plugins/plugin.ts'

const REPOSTS = [6, 16]

/**
 * NIP-70: an event with a `["-"]` tag comes from its author, authenticated, or not at all; nor does it come
 * inside a repost.
 */
export const protectedEvents = (): Policy => ({
  name: 'protected',
  write(event, { authed }) {
    if (REPOSTS.includes(event.kind) && embedsProtected(event))
      return {
        action: 'reject',
        msg: 'restricted: this repost holds a protected event, repost it without its text',
      }
    if (!isProtected(event.tags) || authed.includes(event.pubkey)) return { action: 'accept' }
    const msg =
      authed.length === 0
        ? 'auth-required: this event is protected, only its author may publish it'
        : 'restricted: this event is protected, only its author may publish it'
    return { action: 'reject', msg }
  },
})

const isProtected = (tags: unknown): boolean =>
  Array.isArray(tags) && tags.some(tag => Array.isArray(tag) && tag[0] === '-' && tag.length === 1)

/** A repost's content is the event that it passes on, as JSON (NIP-18), or anything else. */
function embedsProtected({ content }: NostrEvent): boolean {
  if (!content.includes('"-"')) return false
  try {
    return isProtected(JSON.parse(content)?.tags)
  } catch {
    return false
  }
}

export default definePolicy({
  name: 'protected',
  options: z.object({}),
  create: protectedEvents,
})
