import { createHmac, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { nip19, nip44 } from 'nostr-tools'
import type { EventTemplate, NostrEvent } from '../events/index.ts'
import { AUX, CHALLENGE, type Curve, N, NONCE, taggedHash, toBigInt, writeBigInt } from './curve.ts'
import { eventId } from './verify.ts'

/** The relay's own key at work. */
export interface Signer {
  /** X-only public key, hex; its point has an even Y, so 02||self is the whole key. */
  readonly self: string
  sign(template: EventTemplate): NostrEvent
  encrypt(pubkey: string, text: string): string
  decrypt(pubkey: string, payload: string): string
  signDigest(digest: Uint8Array): Uint8Array
}

const KEY_FILE = 'relay.key'
const REMEMBERED_PEERS = 10_000

/**
 * The relay's key: SLUICE_RELAY_KEY (hex or nsec) if set, else the 0600 file relay.key in `dir`, made on first
 * start. Throws a sentence for a file that others may read, or a text that is no key.
 */
export function loadSigner(dir: string, env: NodeJS.ProcessEnv, curve: Curve): Signer {
  const text = env.SLUICE_RELAY_KEY ?? readKeyFile(join(dir, KEY_FILE))
  return createSigner(parseKey(text), curve)
}

/** The relay's secret key as hex, for the operator's own tools. */
export const readSecret = (dir: string, env: NodeJS.ProcessEnv): string =>
  parseKey(env.SLUICE_RELAY_KEY ?? readKeyFile(join(dir, KEY_FILE))).toString('hex')

function readKeyFile(path: string): string {
  let fd: number
  try {
    // Made and written by whoever comes first; a second process reads what the first wrote.
    fd = openSync(path, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return readExisting(path)
  }
  const key = newKey().toString('hex')
  writeSync(fd, `${key}\n`)
  fsyncSync(fd)
  closeSync(fd)
  return key
}

function readExisting(path: string): string {
  const fd = openSync(path, 'r')
  try {
    const mode = fstatSync(fd).mode & 0o777
    if (mode !== 0o600)
      throw new Error(
        `${path} holds the relay's key and has mode ${mode.toString(8)}: run "chmod 600 ${path}"`,
      )
    return readFileSync(fd, 'utf8').trim()
  } finally {
    closeSync(fd)
  }
}

function newKey(): Buffer {
  for (;;) {
    const key = randomBytes(32)
    if (isKey(key)) return key
  }
}

const isKey = (bytes: Buffer): boolean => {
  const value = bytes.length === 32 ? toBigInt(bytes) : 0n
  return value > 0n && value < N
}

function parseKey(text: string): Buffer {
  const key = text.startsWith('nsec1') ? Buffer.from(decodeNsec(text)) : Buffer.from(text, 'hex')
  if (!isKey(key))
    throw new Error(
      'the relay key is neither 64 hex nor an nsec: check relay.key or SLUICE_RELAY_KEY',
    )
  return key
}

function decodeNsec(text: string): Uint8Array {
  try {
    const decoded = nip19.decode(text)
    return decoded.type === 'nsec' ? decoded.data : new Uint8Array()
  } catch {
    return new Uint8Array()
  }
}

/** A signer for one secret key. */
export function createSigner(key: Buffer, curve: Curve): Signer {
  // BIP-340 signs with the key whose point has an even Y; using it everywhere lets ES256K verify with 02||self.
  const secret = Buffer.from(key)
  if (curve.publicKey(secret)[0] === 3) writeBigInt(secret, 0, N - toBigInt(key))
  const publicKey = Buffer.from(curve.publicKey(secret)).subarray(1)
  const self = publicKey.toString('hex')
  const d = toBigInt(secret)
  const peers = new Map<string, Uint8Array>()

  function signSchnorr(message: Buffer): string {
    const aux = taggedHash(AUX, randomBytes(32))
    const masked = Buffer.from(secret.map((byte, i) => byte ^ (aux[i] ?? 0)))
    const nonce = Buffer.alloc(32)
    writeBigInt(nonce, 0, toBigInt(taggedHash(NONCE, masked, publicKey, message)) % N)
    const point = curve.publicKey(nonce)
    const k = point[0] === 3 ? N - toBigInt(nonce) : toBigInt(nonce)
    const rx = point.subarray(1)
    const e = toBigInt(taggedHash(CHALLENGE, rx, publicKey, message)) % N
    const signature = Buffer.alloc(64)
    signature.set(rx)
    writeBigInt(signature, 32, (k + e * d) % N)
    return signature.toString('hex')
  }

  /** NIP-44: HKDF-extract of the shared X; deriving it is the expensive part, so peers are remembered. */
  function conversationKey(pubkey: string): Uint8Array {
    const known = peers.get(pubkey)
    if (known) return known
    const shared = curve.sharedX(Buffer.from(`02${pubkey}`, 'hex'), secret)
    const derived = createHmac('sha256', 'nip44-v2').update(shared).digest()
    if (peers.size >= REMEMBERED_PEERS) peers.clear()
    peers.set(pubkey, derived)
    return derived
  }

  return {
    self,
    sign(template) {
      const { kind, created_at, tags, content } = template
      const unsigned = { pubkey: self, created_at, kind, tags, content }
      const id = eventId(unsigned)
      return { id, ...unsigned, sig: signSchnorr(Buffer.from(id, 'hex')) }
    },
    encrypt: (pubkey, text) => nip44.encrypt(text, conversationKey(pubkey)),
    decrypt: (pubkey, payload) => nip44.decrypt(payload, conversationKey(pubkey)),
    signDigest: digest => curve.signEcdsa(digest, secret),
  }
}
