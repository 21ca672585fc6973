import { createHash } from 'node:crypto'
import { z } from 'zod'
import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { kindList } from './pubkeys.ts'

const options = z.object({
  windowSeconds: z.number().positive().default(600),
  /** Who may not repeat a text: its author, or anybody. */
  scope: z.enum(['author', 'anyone']).default('author'),
  /** Shorter texts (letters and digits) may be said again: good morning. */
  minLength: z.int().min(1).default(30),
  /** How many texts are remembered. */
  maxRemembered: z.int().min(1).default(50_000),
  kinds: kindList.default([1, 42, 1111, 1311]),
})

/**
 * Refuses a text that was posted a moment ago, whatever its case, spaces and punctuation; the same event again is no
 * repetition. Name it behind the policies that may refuse: a text counts once it was judged here. `now` gives unix ms.
 *
 * @example
 * duplicateContent({ scope: 'anyone', windowSeconds: 3600 })
 */
export function duplicateContent({
  windowSeconds = 600,
  scope = 'author',
  minLength = 30,
  maxRemembered = 50_000,
  kinds = [1, 42, 1111, 1311],
  now = Date.now,
}: Partial<z.output<typeof options>> & { now?: () => number } = {}): Policy {
  // In the order in which they were first said: what is out of the window stands in front.
  const said = new Map<string, { id: string; at: number }>()
  const isOld = (at: number): boolean => at < now() - windowSeconds * 1000

  function forget(): void {
    for (const [text, { at }] of said) {
      if (!isOld(at) && said.size < maxRemembered) return
      said.delete(text)
    }
  }

  return {
    name: 'duplicate-content',
    writeKinds: kinds,
    write({ id, pubkey, content }) {
      if (content.length < minLength) return accept
      const text = essenceOf(content)
      if (text.length < minLength) return accept
      const key = digest(scope === 'author' ? pubkey + text : text)
      const before = said.get(key)
      if (before && !isOld(before.at))
        return before.id === id
          ? accept
          : reject('blocked: the same text was posted here a moment ago, say it once')
      said.delete(key)
      forget()
      said.set(key, { id, at: now() })
      return accept
    },
  }
}

/** Its letters and digits; a text of none (pictures, dots) stays as it is. */
function essenceOf(content: string): string {
  const letters = content.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '')
  return letters === '' ? content : letters
}

/** 16 bytes of SHA-256: enough to tell texts apart, and the same size for each. */
const digest = (text: string): string =>
  createHash('sha256').update(text).digest().toString('latin1', 0, 16)

export default definePolicy({
  name: 'duplicate-content',
  options,
  create: (options, { clock }) => duplicateContent({ ...options, now: () => clock.now() }),
})
