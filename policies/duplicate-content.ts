import { hash } from 'node:crypto'
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
  const units = essentialUnits()
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
      const essence = essenceOf(content, units)
      if (essence.length < minLength) return accept
      const key = hash('sha256', essence, 'base64') + (scope === 'author' ? pubkey : '')
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

/**
 * Each UTF-16 unit as it counts: small letters and digits as they are, other letters as their small ones, the rest as 0.
 * Halves of a pair (rare scripts, pictures) count as they are.
 */
function essentialUnits(): Uint16Array {
  const units = new Uint16Array(65_536)
  for (let unit = 0; unit < units.length; unit++) {
    const isHalf = unit >= 0xd800 && unit < 0xe000
    const letter = String.fromCharCode(unit)
    if (isHalf) units[unit] = unit
    else if (/[\p{L}\p{N}]/u.test(letter)) units[unit] = letter.toLowerCase().charCodeAt(0)
  }
  return units
}

/** Used again for each text: making a typed array costs more than filling it. */
let buffer = new Uint16Array(65_536)

/** The letters and digits of a text, good until the next call. */
function essenceOf(content: string, units: Uint16Array): Uint16Array {
  if (content.length > buffer.length) buffer = new Uint16Array(content.length)
  let length = 0
  for (let at = 0; at < content.length; at++) {
    const unit = units[content.charCodeAt(at)]
    if (unit) buffer[length++] = unit
  }
  return buffer.subarray(0, length)
}

export default definePolicy({
  name: 'duplicate-content',
  options,
  create: (options, { clock }) => duplicateContent({ ...options, now: () => clock.now() }),
})
