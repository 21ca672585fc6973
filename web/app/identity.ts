import { type ReadonlySignal, signal } from '@preact/signals'
import * as nip19 from 'nostr-tools/nip19'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { findNip07, nip07Signer } from '../../client/nip07-signer.ts'
import type { Signer } from '../../client/signer.ts'

const KEY = 'sluice.key'
const CHOICE = 'sluice.signer'

export interface Identity {
  /** Who signs in this browser; undefined until a key is needed for the first time. */
  readonly signer: ReadonlySignal<Signer | undefined>
  readonly pubkey: ReadonlySignal<string | undefined>
  hasExtension(): boolean
  /** The signer, found or made: the key extension if there is one, else a key of this browser. */
  need(): Promise<Signer>
  choose(type: Signer['type']): Promise<void>
  /** Uses an nsec; false when it is none. */
  importKey(nsec: string): Promise<boolean>
  /** The browser's own key for its owner to copy; undefined when an extension signs. */
  exportKey(): string | undefined
}

/** Who this browser is. Keys stay in `storage`; nothing here ever sends or logs one. */
export function identity(storage: Storage): Identity {
  const signer = signal<Signer | undefined>(undefined)
  const pubkey = signal<string | undefined>(undefined)

  async function use(next: Signer): Promise<Signer> {
    pubkey.value = await next.pubkey()
    signer.value = next
    storage.setItem(CHOICE, next.type)
    return next
  }

  function local(): Signer {
    const secret = storage.getItem(KEY) ?? generateSecret()
    storage.setItem(KEY, secret)
    return new LocalSigner(secret)
  }

  function choose(type: Signer['type']): Promise<Signer> {
    const extension = findNip07()
    return use(type === 'nip07' && extension ? nip07Signer(extension) : local())
  }

  // A browser that was here before is known at once; an extension is not asked before it is needed.
  if (storage.getItem(CHOICE) === 'local' && storage.getItem(KEY)) void use(local())

  return {
    signer,
    pubkey,
    hasExtension: () => findNip07() !== undefined,
    need: async () =>
      signer.value ??
      choose(storage.getItem(CHOICE) === 'local' || !findNip07() ? 'local' : 'nip07'),
    choose: async type => {
      await choose(type)
    },
    async importKey(nsec) {
      const secret = secretOf(nsec)
      if (!secret) return false
      storage.setItem(KEY, secret)
      await use(new LocalSigner(secret))
      return true
    },
    exportKey: () =>
      signer.value?.type === 'local' ? nsecOf(storage.getItem(KEY) ?? '') : undefined,
  }
}

function secretOf(nsec: string): string | undefined {
  try {
    const { type, data } = nip19.decode(nsec.trim())
    if (type !== 'nsec') return undefined
    return Array.from(data, byte => byte.toString(16).padStart(2, '0')).join('')
  } catch {
    return undefined
  }
}

const nsecOf = (hex: string): string =>
  nip19.nsecEncode(Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16)))
