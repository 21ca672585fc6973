import { type ReadonlySignal, signal } from '@preact/signals'
import * as nip19 from 'nostr-tools/nip19'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { findNip07, nip07Signer } from '../../client/nip07-signer.ts'
import type { RemoteSession, RemoteSigner } from '../../client/remote-signer.ts'
import type { Signer } from '../../client/signer.ts'
import type { Keep } from './storage.ts'

const KEY = 'sluice.key'
const CHOICE = 'sluice.signer'
const REMOTE = 'sluice.remote'

export interface Identity {
  /** Who signs in this browser; undefined until a key is needed for the first time. */
  readonly signer: ReadonlySignal<Signer | undefined>
  readonly pubkey: ReadonlySignal<string | undefined>
  hasExtension(): boolean
  /** The signer, found or made: the key extension if there is one, else a key of this browser. */
  need(): Promise<Signer>
  choose(type: 'local' | 'nip07'): Promise<void>
  /** From now on a remote signer signs (NIP-46). The pairing is kept. */
  useRemote(remote: RemoteSigner): Promise<void>
  /** Uses an nsec; false when it is none. */
  importKey(nsec: string): Promise<boolean>
  /** The browser's own key for its owner to copy; undefined when somebody else signs. */
  exportKey(): string | undefined
}

/** Who this browser is. Keys stay in `storage`; nothing here ever sends or logs one. */
export function identity(storage: Keep): Identity {
  const signer = signal<Signer | undefined>(undefined)
  const pubkey = signal<string | undefined>(undefined)

  async function use<S extends Signer>(next: S): Promise<S> {
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

  /** The pairing of an earlier visit, without asking anybody. */
  async function remote(session: RemoteSession): Promise<Signer> {
    const { RemoteSigner } = await import('../../client/remote-signer.ts')
    return use(RemoteSigner.resume(session))
  }

  // A browser that was here before is known at once; an extension is not asked before it is needed.
  const before = storage.getItem(CHOICE)
  const paired = before === 'nip46' ? sessionOf(storage.getItem(REMOTE)) : undefined
  const resuming = paired && remote(paired).catch(() => undefined)
  if (before === 'local' && storage.getItem(KEY)) void use(local())

  return {
    signer,
    pubkey,
    hasExtension: () => findNip07() !== undefined,
    need: async () =>
      signer.value ??
      (await resuming) ??
      choose(storage.getItem(CHOICE) === 'local' || !findNip07() ? 'local' : 'nip07'),
    choose: async type => {
      await choose(type)
    },
    async useRemote(next) {
      await use(next)
      storage.setItem(REMOTE, JSON.stringify(next.session))
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

function sessionOf(text: string | null): RemoteSession | undefined {
  try {
    return text ? (JSON.parse(text) as RemoteSession) : undefined
  } catch {
    return undefined
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
