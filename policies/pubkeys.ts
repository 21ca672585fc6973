import { decode } from 'nostr-tools/nip19'
import { z } from 'zod'
import { isHex64 } from '../events/index.ts'

/** A pubkey in hex, from hex or npub. Throws a sentence for anything else. Source: NIP-19. */
export function pubkeyOf(text: string): string {
  const hex: string | undefined = text
  if (isHex64(hex)) return hex
  try {
    const said: { type: string; data: unknown } = decode(text)
    if (said.type === 'npub') return String(said.data)
  } catch {
    // Not bech32 at all: the sentence below says what is wanted.
  }
  throw new Error(`"${text.slice(0, 80)}" is neither an npub nor a pubkey of 64 lowercase hex`)
}

/** Pubkeys in strfry.conf: a list of hex or npub, hex afterwards. */
export const pubkeyList = z.array(
  z.string().transform((text, issue) => {
    try {
      return pubkeyOf(text)
    } catch (error) {
      issue.addIssue((error as Error).message)
      return z.NEVER
    }
  }),
)

/** Kinds in strfry.conf. */
export const kindList = z.array(z.int().min(0).max(65_535)).readonly()
