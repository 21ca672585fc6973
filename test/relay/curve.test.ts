import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { getPublicKey, nip19, nip44, verifyEvent } from 'nostr-tools'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Curve, jsCurve, N, nativeCurve, wasmCurve } from '../../relay/curve.ts'
import { createSigner, loadSigner } from '../../relay/signer.ts'

const native = nativeCurve()
const wasm = wasmCurve()
assert.ok(wasm, 'WebAssembly runs wherever Node does')
const curves: Curve[] = [...(native ? [native] : []), wasm as Curve, jsCurve()]
if (!native) console.log('SKIP native secp256k1: no prebuild loads on this machine')

test('every engine answers the vectors of BIP-340 as they say', () => {
  const file = new URL('../fixtures/bip340.json', import.meta.url)
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }
  assert.is(vectors.length, 15)
  for (const { index, publicKey, message, signature, valid, why = 'valid' } of vectors)
    for (const curve of curves) {
      const [sig, text, key] = [signature, message, publicKey].map(hex => Buffer.from(hex, 'hex'))
      assert.ok(sig && text && key)
      assert.is(curve.verifySchnorr(sig, text, key), valid, `${curve.engine} ${index}: ${why}`)
    }
})

interface Vector {
  index: number
  publicKey: string
  message: string
  signature: string
  valid: boolean
  why?: string
}

test('native, then WebAssembly, then JS: what does not load is passed over', () => {
  const load = "import('./relay/curve.ts').then(({ loadCurve }) => console.log(loadCurve().engine))"
  const without = (...missing: string[]) =>
    execFileSync(process.execPath, ['--import', 'tsx', '--eval', load], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: {
        ...process.env,
        NODE_OPTIONS: `--require ${fileURLToPath(new URL('../fixtures/missing.cjs', import.meta.url))}`,
        MISSING: missing.join(','),
      },
      encoding: 'utf8',
    }).trim()
  if (native) assert.is(without(), 'native')
  assert.is(without('secp256k1/bindings'), 'wasm')
  assert.is(without('secp256k1/bindings', 'tiny-secp256k1'), 'js')
})

const P = 2n ** 256n - 2n ** 32n - 977n
const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const key = fc.bigInt({ min: 1n, max: N - 1n }).map(bytes)
const message = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('every engine accepts what noble signs and refuses each change of it', () => {
  fc.assert(
    fc.property(
      key,
      message,
      fc.nat(127),
      fc.integer({ min: 1, max: 255 }),
      (secret, text, at, flip) => {
        const publicKey = schnorr.getPublicKey(secret)
        const signature = schnorr.sign(text, secret)
        const changed = [Buffer.from(signature), Buffer.from(text), Buffer.from(publicKey)] as const
        const all = Buffer.concat(changed)
        all[at] = (all[at] ?? 0) ^ flip
        const [badSig, badText, badKey] = [
          all.subarray(0, 64),
          all.subarray(64, 96),
          all.subarray(96),
        ]
        for (const curve of curves) {
          assert.ok(curve.verifySchnorr(signature, text, publicKey), curve.engine)
          assert.not(curve.verifySchnorr(badSig, badText, badKey), `${curve.engine} ${at}`)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('the corners of BIP-340 are refused alike', () => {
  const secret = bytes(3n)
  const publicKey = schnorr.getPublicKey(secret)
  const text = Buffer.alloc(32, 7)
  const good = Buffer.from(schnorr.sign(text, secret))
  const [r, s] = [good.subarray(0, 32), good.subarray(32)]
  const sValue = BigInt(`0x${s.toString('hex')}`)
  // R with an odd Y: the same x, s for -k.
  const e =
    BigInt(
      `0x${Buffer.from(schnorr.utils.taggedHash('BIP0340/challenge', r, publicKey, text)).toString('hex')}`,
    ) % N
  const oddR = Buffer.concat([r, bytes((((2n * e * evenScalar(3n) - sValue) % N) + N) % N)])
  const corners: [string, Buffer, Uint8Array][] = [
    ['R has an odd Y', oddR, publicKey],
    ['s is the order', Buffer.concat([r, bytes(N)]), publicKey],
    ['s is beyond the order', Buffer.concat([r, bytes(N + 1n)]), publicKey],
    ['s is zero', Buffer.concat([r, bytes(0n)]), publicKey],
    ['r is the field size', Buffer.concat([bytes(P), s]), publicKey],
    ['r is zero', Buffer.concat([bytes(0n), s]), publicKey],
    ['r is not on the curve', Buffer.concat([bytes(5n), s]), publicKey],
    ['the key is not on the curve', good, bytes(5n)],
    ['the key is zero', good, bytes(0n)],
    ['the key is beyond the field', good, bytes(P + 1n)],
    // sG - eP is infinity where s = e*d.
    ['R is at infinity', Buffer.concat([bytes(0n), bytes((e * evenScalar(3n)) % N)]), publicKey],
  ]
  for (const [name, signature, pub] of corners)
    for (const curve of curves)
      assert.not(curve.verifySchnorr(signature, text, pub), `${curve.engine}: ${name}`)
})

/** The scalar whose point has an even Y. */
function evenScalar(d: bigint): bigint {
  return secp256k1.getPublicKey(bytes(d))[0] === 2 ? d : N - d
}

test('the relay signs events, digests and NIP-44 as others read them', () => {
  for (const curve of curves)
    for (const d of [1n, 3n, 5n, N - 2n]) {
      const signer = createSigner(bytes(d), curve)
      assert.is(signer.self, getPublicKey(bytes(d)))
      const event = signer.sign({ kind: 1, created_at: 1, tags: [['t', 'x']], content: 'é "\n' })
      assert.ok(verifyEvent(JSON.parse(JSON.stringify(event))))
      const digest = Buffer.alloc(32, 9)
      const point = Buffer.from(`02${signer.self}`, 'hex')
      assert.ok(secp256k1.verify(signer.signDigest(digest), digest, point, { prehash: false }))
      const friend = bytes(11n)
      const text = signer.encrypt(getPublicKey(friend), 'for you')
      assert.is(nip44.decrypt(text, nip44.getConversationKey(friend, signer.self)), 'for you')
    }
})

test('the key is made once, readable by its owner alone', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-key-'))
  const [curve] = curves
  if (!curve) return
  try {
    const { self } = loadSigner(dir, {}, curve)
    const file = join(dir, 'relay.key')
    assert.is(statSync(file).mode & 0o777, 0o600)
    assert.is(loadSigner(dir, {}, curve).self, self)
    const nsec = nip19.nsecEncode(Buffer.from(readFileSync(file, 'utf8').trim(), 'hex'))
    assert.is(loadSigner('/nowhere', { SLUICE_RELAY_KEY: nsec }, curve).self, self)
    for (const mode of [0o644, 0o640, 0o660]) {
      chmodSync(file, mode)
      assert.throws(() => loadSigner(dir, {}, curve), /chmod 600/)
    }
    chmodSync(file, 0o600)
    writeFileSync(file, 'not a key')
    assert.throws(() => loadSigner(dir, {}, curve), /neither 64 hex nor an nsec/)
    assert.throws(() => loadSigner(dir, { SLUICE_RELAY_KEY: '00'.repeat(32) }, curve), /neither/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test.run()
