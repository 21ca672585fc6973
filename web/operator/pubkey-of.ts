import * as nip19 from 'nostr-tools/nip19'
import { isHex64 } from '../../events/index.ts'

/** The pubkey of an npub or of 64 hex digits. */
export function pubkeyOf(text: string): string | undefined {
  const trimmed = text.trim()
  const isHex: boolean = isHex64(trimmed)
  if (isHex) return trimmed
  try {
    const { type, data } = nip19.decode(trimmed)
    return type === 'npub' ? data : undefined
  } catch {
    return undefined
  }
}
