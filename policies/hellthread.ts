import { z } from 'zod'
import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { kindList } from './pubkeys.ts'

/** What people say to each other; lists such as follows (kind 3) name many for good reason. */
export const conversationKinds: readonly number[] = [1, 6, 7, 16, 42, 1111, 1311, 9802]

const options = z.object({
  /** Different pubkeys in `p` tags. */
  maxMentions: z.int().min(0).default(20),
  kinds: kindList.default(conversationKinds),
})

/**
 * Refuses events that call too many people at once.
 *
 * @example
 * hellthread({ maxMentions: 20 })
 */
export function hellthread({
  maxMentions = 20,
  kinds = conversationKinds,
}: Partial<z.output<typeof options>> = {}): Policy {
  return {
    name: 'hellthread',
    writeKinds: kinds,
    write({ tags }) {
      if (tags.length <= maxMentions) return accept
      const mentioned = new Set<string | undefined>()
      for (const tag of tags) if (tag[0] === 'p') mentioned.add(tag[1])
      if (mentioned.size <= maxMentions) return accept
      return reject(
        `blocked: this mentions ${mentioned.size} people, at most ${maxMentions} can be called at once here`,
      )
    },
  }
}

export default definePolicy({ name: 'hellthread', options, create: hellthread })
