import { z } from 'zod'
import { accept, definePolicy, type Policy, reject } from '../plugins/plugin.ts'
import { conversationKinds } from './hellthread.ts'
import { kindList } from './pubkeys.ts'

const options = z.object({
  /** Characters (UTF-16 units, as clients count them). */
  maxLength: z.int().min(0).default(20_000),
  /** http and https links in the text. */
  maxLinks: z.int().min(0).default(20),
  /** Words and phrases that keep a text out, whole and in any case; `*` at an end stands for more of the word. */
  words: z.array(z.string().trim().min(1)).default([]),
  kinds: kindList.default(conversationKinds),
})

/**
 * How long a text may be, how many links and which words it may hold. Words are plain words, not regular expressions:
 * what a text costs grows with its length and no faster.
 *
 * @example
 * contentLimits({ maxLinks: 3, words: ['free money', 'airdrop*'], kinds: [1] })
 */
export function contentLimits({
  maxLength = 20_000,
  maxLinks = 20,
  words = [],
  kinds = conversationKinds,
}: Partial<z.output<typeof options>> = {}): Policy {
  const unwanted = words.map(wordFinder)
  return {
    name: 'content-limits',
    writeKinds: kinds,
    write({ content }) {
      if (content.length > maxLength)
        return reject(
          `blocked: this text has ${content.length} characters, at most ${maxLength} pass here`,
        )
      const links = linksIn(content)
      if (links > maxLinks)
        return reject(`blocked: this text has ${links} links, at most ${maxLinks} pass here`)
      if (unwanted.length === 0) return accept
      const text = normalise(content)
      const found = unwanted.find(word => word.isIn(text))
      return found ? reject(`blocked: this relay takes no text with "${found.text}"`) : accept
    },
  }
}

/** Wide letters and ligatures become plain ones, so that they hide nothing. */
function normalise(text: string): string {
  const plain = (isAscii(text) ? text : text.normalize('NFKC')).toLowerCase()
  return /\s\s|[^\S ]/.test(plain) ? plain.replaceAll(/\s+/g, ' ') : plain
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)

function linksIn(content: string): number {
  let links = 0
  for (let at = content.indexOf('://'); at >= 0; at = content.indexOf('://', at + 3))
    if (/https?$/i.test(content.slice(Math.max(0, at - 5), at))) links += 1
  return links
}

function wordFinder(text: string) {
  const openStart = text.startsWith('*')
  const openEnd = text.endsWith('*')
  const word = normalise(text.replace(/^\*|\*$/g, ''))
  if (word.trim() === '') throw new Error(`content-limits: "${text}" is no word`)
  return {
    text: word,
    isIn(content: string): boolean {
      for (let at = content.indexOf(word); at >= 0; at = content.indexOf(word, at + 1)) {
        const end = at + word.length
        if ((openStart || !isLetter(content, at - 1)) && (openEnd || !isLetter(content, end)))
          return true
      }
      return false
    },
  }
}

const isLetter = (text: string, at: number): boolean => /[\p{L}\p{N}]/u.test(text[at] ?? '')

export default definePolicy({ name: 'content-limits', options, create: contentLimits })
