import type { EventTemplate, NostrEvent } from '../events/index.ts'
import { SignerMissing, SigningRefused } from './errors.ts'
import type { Signer } from './signer.ts'

/** What a NIP-07 extension puts at `window.nostr`. */
export interface Nip07 {
  getPublicKey(): Promise<string>
  signEvent(event: Record<string, unknown>): Promise<NostrEvent>
  nip44?: {
    encrypt(pubkey: string, text: string): Promise<string>
    decrypt(pubkey: string, text: string): Promise<string>
  }
}

/** The page's NIP-07 extension, if there is one (it may appear a moment after the page). */
export const findNip07 = (): Nip07 | undefined => (globalThis as { nostr?: Nip07 }).nostr

/** A signer that asks the browser's key extension. Source: NIP-07. Example: `nip07Signer(window.nostr)`. */
export function nip07Signer(extension: Nip07): Signer {
  let known: Promise<string> | undefined
  const cipher = () => {
    if (extension.nip44) return extension.nip44
    throw new SignerMissing(
      'Your key extension cannot read private messages (NIP-44); use another one.',
    )
  }
  return {
    type: 'nip07',
    pubkey() {
      known ??= asked(() => extension.getPublicKey())
      // A refusal is not remembered: the person may say yes the next time.
      known.catch(() => {
        known = undefined
      })
      return known
    },
    sign: (template: EventTemplate) => asked(() => extension.signEvent({ ...template })),
    encrypt: (to, text) => asked(() => cipher().encrypt(to, text)),
    decrypt: (from, text) => asked(() => cipher().decrypt(from, text)),
  }
}

async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw cause instanceof SignerMissing ? cause : new SigningRefused(cause)
  }
}
