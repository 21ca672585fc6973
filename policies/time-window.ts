import { z } from 'zod'
import { isEphemeral, tagValue } from '../events/index.ts'
import { definePolicy, type Policy } from '../plugins/plugin.ts'

/** strfry's events.reject... keys: how old and how new an event may be, seconds; and NIP-40's expiry. */
export function timeWindow(options: {
  maxAgeSeconds: number
  maxEphemeralAgeSeconds: number
  maxAheadSeconds: number
}): Policy {
  return {
    name: 'time-window',
    write(event, { receivedAt }) {
      const age = receivedAt - event.created_at
      const oldest = isEphemeral(event.kind)
        ? options.maxEphemeralAgeSeconds
        : options.maxAgeSeconds
      if (age > oldest) return { action: 'reject', msg: 'invalid: created_at is too long ago' }
      if (-age > options.maxAheadSeconds)
        return {
          action: 'reject',
          msg: 'invalid: created_at is too far in the future, check your clock',
        }
      const expiration = tagValue(event, 'expiration')
      if (
        expiration !== undefined &&
        /^\d{1,15}$/.test(expiration) &&
        Number(expiration) <= receivedAt
      )
        return { action: 'reject', msg: 'invalid: this event has expired' }
      return { action: 'accept' }
    },
  }
}

export default definePolicy({
  name: 'time-window',
  options: z.object({
    maxAgeSeconds: z.int().min(0).default(94_608_000),
    maxEphemeralAgeSeconds: z.int().min(0).default(60),
    maxAheadSeconds: z.int().min(0).default(900),
  }),
  create: timeWindow,
})
