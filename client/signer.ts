import type { EventTemplate, NostrEvent } from '../events/index.ts'

/**
 * Whoever holds the key. Every method may ask a person, so every method may take minutes or throw
 * `SigningRefused`; `encrypt` and `decrypt` are NIP-44 and throw `SignerMissing` where the key's home has none.
 */
export interface Signer {
  readonly type: 'local' | 'nip07' | 'nip46'
  pubkey(): Promise<string>
  sign(template: EventTemplate): Promise<NostrEvent>
  encrypt(to: string, text: string): Promise<string>
  decrypt(from: string, text: string): Promise<string>
}
