import { createHash, createHmac, hash } from 'node:crypto'
import { createRequire } from 'node:module'
import * as noble from '@noble/secp256k1'

/** What the relay needs of secp256k1. Byte arrays: secrets 32, points 33 (compressed), digests 32. */
export interface Curve {
  readonly engine: 'native' | 'wasm' | 'js'
  publicKey(secret: Uint8Array): Uint8Array
  /** X of the shared point, 32 bytes. */
  sharedX(point: Uint8Array, secret: Uint8Array): Uint8Array
  /** ECDSA, deterministic (RFC 6979), low s: r||s. */
  signEcdsa(digest: Uint8Array, secret: Uint8Array): Uint8Array
  /** BIP-340: signature 64, message 32, x-only public key 32. */
  verifySchnorr(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}

/** The group's order (SEC 2). */
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** The fastest engine that works on this machine. */
export const loadCurve = (): Curve => nativeCurve() ?? wasmCurve() ?? jsCurve()

interface Bindings {
  privateKeyVerify(secret: Uint8Array): boolean
  publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array }
  ecdsaRecover(
    sig: Uint8Array,
    id: number,
    digest: Uint8Array,
    compressed: boolean,
    output: Uint8Array,
  ): Uint8Array
  ecdh(
    point: Uint8Array,
    secret: Uint8Array,
    options: { hashfn: (x: Uint8Array) => Uint8Array },
    output: Uint8Array,
  ): Uint8Array
}

/** libsecp256k1, where the package's prebuild loads; the package's main file would fall back to JS in silence. */
export function nativeCurve(): Curve | undefined {
  let native: Bindings
  try {
    const require = createRequire(import.meta.url)
    require('secp256k1/bindings')
    native = require('secp256k1')
  } catch {
    return undefined
  }
  return {
    engine: 'native',
    publicKey: secret => native.publicKeyCreate(secret, true),
    sharedX: (point, secret) =>
      native.ecdh(point, secret, { hashfn: x => Uint8Array.from(x) }, new Uint8Array(32)),
    signEcdsa: (digest, secret) => native.ecdsaSign(digest, secret).signature,
    verifySchnorr: verifierByRecovery(native),
  }
}

/**
 * BIP-340 verification with an ECDSA library that lacks it. Recovery computes Q = r^-1 (s'R - zG); with R the
 * signer's point P (r = px), s' = e*px and z = s*px that is eP - sG = -R of the signature. BIP-340 wants R to
 * have an even Y and the x of the signature, so Q must be compressed with prefix 03 and carry that x.
 */
function verifierByRecovery(native: Bindings): Curve['verifySchnorr'] {
  // Used again for each signature: tag || rx || px || message, and what goes into the recovery.
  const challenge = Buffer.concat([CHALLENGE, Buffer.alloc(96)])
  const sig = Buffer.alloc(64)
  const z = Buffer.alloc(32)
  const q = new Uint8Array(33)
  return (signature, message, publicKey) => {
    const rx = signature.subarray(0, 32)
    const s = toBigInt(signature.subarray(32))
    if (s >= N) return false
    const px = toBigInt(publicKey)
    challenge.set(rx, 64)
    challenge.set(publicKey, 96)
    challenge.set(message, 128)
    const e = BigInt(`0x${hash('sha256', challenge)}`) % N
    const r = px % N
    writeBigInt(sig, 0, r)
    writeBigInt(sig, 32, (e * r) % N)
    writeBigInt(z, 0, (s * r) % N)
    try {
      native.ecdsaRecover(sig, px >= N ? 2 : 0, z, true, q)
    } catch {
      // No such point: px is not on the curve, or R is at infinity.
      return false
    }
    return q[0] === 3 && Buffer.compare(q.subarray(1), rx) === 0
  }
}

/** libsecp256k1 as WebAssembly: for machines that no native prebuild fits. */
export function wasmCurve(): Curve | undefined {
  let wasm: typeof import('tiny-secp256k1')
  try {
    wasm = createRequire(import.meta.url)('tiny-secp256k1')
  } catch {
    return undefined
  }
  const found = (point: Uint8Array | null): Uint8Array => {
    if (!point) throw new Error('this secret or point is none of secp256k1')
    return point
  }
  return {
    engine: 'wasm',
    publicKey: secret => found(wasm.pointFromScalar(secret, true)),
    sharedX: (point, secret) => found(wasm.pointMultiply(point, secret, true)).slice(1),
    signEcdsa: (digest, secret) => wasm.sign(digest, secret),
    verifySchnorr(signature, message, publicKey) {
      try {
        return wasm.verifySchnorr(message, publicKey, signature)
      } catch {
        return false
      }
    },
  }
}

/** noble's pure JS: correct everywhere, some forty times slower. */
export function jsCurve(): Curve {
  noble.hashes.sha256 = data => createHash('sha256').update(data).digest()
  noble.hashes.hmacSha256 = (key, data) => createHmac('sha256', key).update(data).digest()
  return {
    engine: 'js',
    publicKey: secret => noble.getPublicKey(secret, true),
    sharedX: (point, secret) => noble.getSharedSecret(secret, point, true).subarray(1),
    signEcdsa: (digest, secret) => noble.sign(digest, secret, { prehash: false }),
    verifySchnorr: (signature, message, publicKey) => {
      try {
        return noble.schnorr.verify(signature, message, publicKey)
      } catch {
        return false
      }
    },
  }
}

const doubled = (tag: string): Buffer => {
  const digest = createHash('sha256').update(tag).digest()
  return Buffer.concat([digest, digest])
}
export const AUX = doubled('BIP0340/aux')
export const NONCE = doubled('BIP0340/nonce')
export const CHALLENGE = doubled('BIP0340/challenge')

/** BIP-340's tagged hash; `tag` is one of the doubled digests above. */
export function taggedHash(tag: Buffer, ...parts: Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat([tag, ...parts]), 'buffer')
}

export const toBigInt = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)

export function writeBigInt(target: Buffer, offset: number, value: bigint): void {
  target.write(value.toString(16).padStart(64, '0'), offset, 'hex')
}
