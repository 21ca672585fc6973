import * as nip44 from 'nostr-tools/nip44'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import type { EventTemplate, NostrEvent } from '../events/index.ts'
import { isHex64 } from '../events/index.ts'
import { SluiceError } from './errors.ts'
import type { Signer } from './signer.ts'

/**
 * A signer whose key lives in this process. The secret stands in a private field, so that neither a log nor
 * JSON.stringify shows it. Example: `const signer = new LocalSigner(generateSecret())`.
 */
export class LocalSigner implements Signer {
  readonly type = 'local'
  readonly #secret: Uint8Array
  readonly #pubkey: string
  // Deriving a conversation key costs milliseconds, and a viewer talks to one relay.
  readonly #conversations = new Map<string, Uint8Array>()

  /** `secret`: 32 bytes, or 64 lowercase hex. Throws `SluiceError` for anything else. */
  constructor(secret: Uint8Array | string) {
    this.#secret = typeof secret === 'string' ? fromHex(secret) : secret
    try {
      this.#pubkey = getPublicKey(this.#secret)
    } catch {
      // The cause is left out on purpose: it may quote the secret.
      throw new SluiceError('This is not a secret key.')
    }
  }

  async pubkey(): Promise<string> {
    return this.#pubkey
  }

  async sign(template: EventTemplate): Promise<NostrEvent> {
    const tags = template.tags.map(tag => [...tag])
    const { id, pubkey, created_at, kind, content, sig } = finalizeEvent(
      { ...template, tags },
      this.#secret,
    )
    return { id, pubkey, created_at, kind, tags, content, sig }
  }

  async encrypt(to: string, text: string): Promise<string> {
    return nip44.encrypt(text, this.#conversation(to))
  }

  async decrypt(from: string, text: string): Promise<string> {
    return nip44.decrypt(text, this.#conversation(from))
  }

  #conversation(peer: string): Uint8Array {
    const known = this.#conversations.get(peer)
    if (known) return known
    const key = nip44.getConversationKey(this.#secret, peer)
    this.#conversations.set(peer, key)
    return key
  }
}

/** A new secret key: 64 lowercase hex from the platform's random source. */
export const generateSecret = (): string =>
  Array.from(generateSecretKey(), byte => byte.toString(16).padStart(2, '0')).join('')

function fromHex(text: string): Uint8Array {
  if (!isHex64(text)) throw new SluiceError('This is not a secret key.')
  return Uint8Array.from({ length: 32 }, (_, index) =>
    Number.parseInt(text.slice(index * 2, index * 2 + 2), 16),
  )
}
