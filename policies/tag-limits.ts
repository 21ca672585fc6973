import { z } from 'zod'
import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { conversationKinds } from './hellthread.ts'
import { kindList } from './pubkeys.ts'

const options = z.object({
  maxTags: z.int().min(0).default(200),
  /** `t` tags. */
  maxHashtags: z.int().min(0).default(15),
  /** `r` tags. */
  maxReferences: z.int().min(0).default(20),
  kinds: kindList.default(conversationKinds),
})

/**
 * How many tags, hashtags and links in tags an event of these kinds may have.
 *
 * @example
 * tagLimits({ maxHashtags: 5, kinds: [1] })
 */
export function tagLimits({
  maxTags = 200,
  maxHashtags = 15,
  maxReferences = 20,
  kinds = conversationKinds,
}: Partial<z.output<typeof options>> = {}): Policy {
  return {
    name: 'tag-limits',
    writeKinds: kinds,
    write({ tags }) {
      if (tags.length > maxTags)
        return reject(`blocked: this has ${tags.length} tags, at most ${maxTags} pass here`)
      let hashtags = 0
      let references = 0
      for (const tag of tags) {
        if (tag[0] === 't') hashtags += 1
        else if (tag[0] === 'r') references += 1
      }
      if (hashtags > maxHashtags)
        return reject(`blocked: this has ${hashtags} hashtags, at most ${maxHashtags} pass here`)
      if (references > maxReferences)
        return reject(
          `blocked: this has ${references} links in tags, at most ${maxReferences} pass here`,
        )
      return accept
    },
  }
}

export default definePolicy({ name: 'tag-limits', options, create: tagLimits })
