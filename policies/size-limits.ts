import { z } from 'zod'
import { definePolicy, type Policy } from '../plugins/plugin.ts'

/** strfry's events.max... keys: bytes of the event's JSON, number of tags, bytes of a tag's value. */
export function sizeLimits(options: {
  maxEventBytes: number
  maxTags: number
  maxTagBytes: number
}): Policy {
  const { maxEventBytes, maxTags, maxTagBytes } = options
  return {
    name: 'size-limits',
    write(event) {
      if (event.tags.length > maxTags)
        return { action: 'reject', msg: `invalid: an event has at most ${maxTags} tags here` }
      // A character is at most three bytes: only what could be too long is measured.
      let characters = event.content.length
      for (const tag of event.tags)
        for (const item of tag) {
          characters += item.length + 3
          if (item.length * 3 > maxTagBytes && byteLength(item) > maxTagBytes)
            return {
              action: 'reject',
              msg: `invalid: a tag value has at most ${maxTagBytes} bytes here`,
            }
        }
      if (characters * 6 > maxEventBytes && byteLength(JSON.stringify(event)) > maxEventBytes)
        return {
          action: 'reject',
          msg: `invalid: an event has at most ${maxEventBytes} bytes here`,
        }
      return { action: 'accept' }
    },
  }
}

const encoder = new TextEncoder()
const byteLength = (text: string): number => encoder.encode(text).length

export default definePolicy({
  name: 'size-limits',
  options: z.object({
    maxEventBytes: z.int().min(0).default(65_536),
    maxTags: z.int().min(0).default(2000),
    maxTagBytes: z.int().min(0).default(1024),
  }),
  create: sizeLimits,
})
