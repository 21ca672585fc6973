import { createHmac } from 'node:crypto'
import { secp256k1 as secp } from '@noble/curves/secp256k1.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TokenClaims } from '../../events/index.ts'
import { signToken, tokenVerifier } from '../../plugins/access-grant/token.ts'

// An independent signer: noble's ECDSA over the digest, with a key whose Y is even.
const secret = evenSecret()
const self = Buffer.from(secp.getPublicKey(secret)).subarray(1).toString('hex')
const signDigest = (digest: Uint8Array) => secp.sign(digest, secret, { prehash: false })

const claims: TokenClaims = {
  iss: self,
  sub: 'a'.repeat(64),
  aud: `30311:${'b'.repeat(64)}:show`,
  sid: 'c'.repeat(64),
  qualities: ['source', '480p'],
  iat: 1000,
  exp: 1300,
  jti: 'one',
}
const token = signToken(claims, signDigest)
const b64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

test('a token that the relay signed opens until its expiry, and not in that second', () => {
  const verify = tokenVerifier(self)
  assert.equal(verify(token, 1299), { ok: true, claims })
  assert.equal(verify(token, 1300), { ok: false, problem: 'expired' })
})

test('a changed claim is forged', () => {
  const [head, , tail] = token.split('.')
  const forged = `${head}.${b64({ ...claims, exp: 9999 })}.${tail}`
  assert.equal(tokenVerifier(self)(forged, 1100), { ok: false, problem: 'forged' })
})

test('another relay signs for itself only', () => {
  const other = evenSecret()
  const otherSelf = Buffer.from(secp.getPublicKey(other)).subarray(1).toString('hex')
  const sign = (digest: Uint8Array) => secp.sign(digest, other, { prehash: false })
  const verify = tokenVerifier(self)
  const honest = signToken({ ...claims, iss: otherSelf }, sign)
  assert.equal(verify(honest, 1100), { ok: false, problem: 'foreign' })
  assert.equal(verify(signToken(claims, sign), 1100), { ok: false, problem: 'forged' })
})

test('alg none and HS256 with the public key are refused', () => {
  const verify = tokenVerifier(self)
  const none = `${b64({ alg: 'none', kid: self })}.${b64(claims)}.`
  assert.equal(verify(none, 1100).ok, false)
  const input = `${b64({ alg: 'HS256', kid: self })}.${b64(claims)}`
  const mac = createHmac('sha512', Buffer.from(self, 'hex')).update(input).digest('base64url')
  assert.equal(verify(`${input}.${mac}`, 1100), { ok: false, problem: 'foreign' })
})

test('what is no token is malformed', () => {
  const verify = tokenVerifier(self)
  for (const text of ['', 'a.b', 'a.b.c', `${token}.x`, `${token}${'A'.repeat(2048)}`, '{}.{}.{}'])
    assert.equal(verify(text, 1100), { ok: false, problem: 'malformed' }, text.slice(0, 20))
})

test.run()

function evenSecret(): Uint8Array {
  for (;;) {
    const key = secp.utils.randomSecretKey()
    if (secp.getPublicKey(key)[0] === 2) return key
  }
}
