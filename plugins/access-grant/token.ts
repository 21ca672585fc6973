import { createHash, createPublicKey, ECDH, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import type { TokenClaims } from '../../events/index.ts'

/** Why a token opens nothing; `expired` ones are renewed by the next 5650. */
export type TokenProblem = 'malformed' | 'foreign' | 'forged' | 'expired'
export type VerifiedToken = { ok: true; claims: TokenClaims } | { ok: false; problem: TokenProblem }

const HEADER = { alg: 'ES256K', typ: 'JWT' } as const
const MAX_TOKEN = 2048
const REMEMBERED = 10_000

const header = z.object({ alg: z.string(), kid: z.string() })
const body = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  sid: z.string(),
  qualities: z.array(z.string()),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
})

/**
 * Signs an access token: JWT, ES256K (RFC 8812), `kid` = the relay's pubkey.
 *
 * @example
 * const token = signToken(claims, host.signDigest) // 'eyJhbGciOiJFUzI1NksiLC...'
 */
export function signToken(
  claims: TokenClaims,
  signDigest: (digest: Uint8Array) => Uint8Array,
): string {
  const input = `${encode({ ...HEADER, kid: claims.iss })}.${encode(claims)}`
  return `${input}.${Buffer.from(signDigest(sha256(input))).toString('base64url')}`
}

/**
 * Makes the function that checks tokens of the relay `self`. The algorithm is pinned, so `none`, HS256 and
 * other keys are `foreign`. A signature is checked once and remembered; the expiry is checked each time.
 *
 * @example
 * const verifyToken = tokenVerifier(host.self)
 * verifyToken(token, Math.floor(Date.now() / 1000)) // { ok: true, claims } or { ok: false, problem }
 */
export function tokenVerifier(self: string) {
  const key = publicKey(self)
  const signed = new Map<string, TokenClaims>()

  return (token: string, now: number): VerifiedToken => {
    let claims = signed.get(token)
    if (!claims) {
      const read = readSigned(token, self, key)
      if (!read.ok) return read
      claims = read.claims
      if (signed.size >= REMEMBERED) signed.clear()
      signed.set(token, claims)
    }
    return now < claims.exp ? { ok: true, claims } : { ok: false, problem: 'expired' }
  }
}

function readSigned(token: string, self: string, key: KeyObject): VerifiedToken {
  const [head = '', claimed = '', tail = '', ...more] = token.split('.')
  const signature = Buffer.from(tail, 'base64url')
  if (more.length > 0 || token.length > MAX_TOKEN || signature.length !== 64)
    return { ok: false, problem: 'malformed' }
  const says = decode(header, head)
  const claims = decode(body, claimed)
  if (!says || !claims) return { ok: false, problem: 'malformed' }
  if (says.alg !== HEADER.alg || says.kid !== self || claims.iss !== self)
    return { ok: false, problem: 'foreign' }
  const input = Buffer.from(`${head}.${claimed}`)
  if (!verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature))
    return { ok: false, problem: 'forged' }
  return { ok: true, claims }
}

/** The relay's key has an even Y (relay/signer.ts), so its point is 02||x. */
function publicKey(self: string): KeyObject {
  const point = ECDH.convertKey(`02${self}`, 'secp256k1', 'hex', 'hex', 'uncompressed').toString()
  const coordinate = (from: number) =>
    Buffer.from(point.slice(from, from + 64), 'hex').toString('base64url')
  const jwk = { kty: 'EC', crv: 'secp256k1', x: coordinate(2), y: coordinate(66) }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest()

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function decode<T>(shape: z.ZodType<T>, part: string): T | undefined {
  try {
    return shape.safeParse(JSON.parse(Buffer.from(part, 'base64url').toString())).data
  } catch {
    return undefined
  }
}
