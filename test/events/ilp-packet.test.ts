import fc from 'fast-check'
import * as theirs from 'ilp-packet'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeIlpPacket,
  encodeIlpPacket,
  type IlpPacket,
  type IlpPrepare,
  isIlpAddress,
} from '../../events/index.ts'

const test = suite('ILP packets')

const bytes = (max: number) => fc.uint8Array({ maxLength: max })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const segment = fc.stringMatching(/^[a-zA-Z0-9_~-]{1,40}$/)
const address = fc
  .tuple(
    fc.constantFrom('g', 'private', 'example', 'test', 'test2', 'local'),
    fc.array(segment, { minLength: 1, maxLength: 6 }),
  )
  .map(([scheme, rest]) => [scheme, ...rest].join('.'))
const expiry = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) })
const packet: fc.Arbitrary<IlpPacket> = fc.oneof(
  fc.record({
    type: fc.constant('prepare' as const),
    amount: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    expiresAt: expiry,
    condition: hash,
    destination: address,
    data: bytes(600),
  }),
  fc.record({ type: fc.constant('fulfill' as const), fulfillment: hash, data: bytes(600) }),
  fc.record({
    type: fc.constant('reject' as const),
    code: fc.stringMatching(/^[FTR]\d\d$/),
    triggeredBy: fc.oneof(fc.constant(''), address),
    message: fc.string({ unit: 'grapheme', maxLength: 200 }),
    data: bytes(600),
  }),
)

const prepare: IlpPrepare = {
  type: 'prepare',
  amount: 107n,
  expiresAt: Date.UTC(2025, 10, 20, 7, 18, 0, 123),
  condition: new Uint8Array(32).fill(7),
  destination: 'example.alice',
  data: new Uint8Array(200),
}

test('a packet is read as it was written', () => {
  fc.assert(
    fc.property(packet, one => {
      assert.equal(decodeIlpPacket(encodeIlpPacket(one)), { ok: true, value: { ...one } })
    }),
    { numRuns: 500 },
  )
})

test('the bytes are those of the ilp-packet library', () => {
  fc.assert(
    fc.property(packet, one => {
      const ours = Buffer.from(encodeIlpPacket(one))
      assert.equal(ours.toString('hex'), theirBytes(one).toString('hex'))
    }),
    { numRuns: 500 },
  )
})

test('a packet in bytes, spelt out', () => {
  assert.is(
    Buffer.from(encodeIlpPacket(prepare)).toString('hex'),
    `0c820111000000000000006b${Buffer.from('20251120071800123').toString('hex')}${'07'.repeat(32)}` +
      `0d${Buffer.from('example.alice').toString('hex')}81c8${'00'.repeat(200)}`,
  )
})

test('bytes that are no packet are refused with a sentence, never with a crash', () => {
  fc.assert(
    fc.property(bytes(300), junk => {
      const read = decodeIlpPacket(junk)
      if (read.ok) assert.equal(encodeIlpPacket(read.value), junk)
      else assert.type(read.msg, 'string')
    }),
    { numRuns: 2000 },
  )
  const whole = encodeIlpPacket(prepare)
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const cut = decodeIlpPacket(whole.slice(0, at))
      assert.not(cut.ok)
      const bent = whole.slice()
      bent[at] = (bent[at] ?? 0) ^ change
      const read = decodeIlpPacket(bent)
      if (read.ok) assert.equal(encodeIlpPacket(read.value), bent, 'one packet, one spelling')
    }),
    { numRuns: 1000 },
  )
})

test('what is almost a packet', () => {
  const whole = encodeIlpPacket(prepare)
  const said = (change: (bytes: Buffer) => Buffer): string => {
    const copy = Buffer.from(whole)
    const read = decodeIlpPacket(change(copy))
    return read.ok ? 'ok' : read.msg
  }
  assert.is(
    said(b => b),
    'ok',
  )
  assert.is(
    said(b => Buffer.concat([b, Buffer.of(0)])),
    'the packet goes on after its end',
  )
  assert.is(
    said(b => b.subarray(0, -1)),
    'the packet ends too early',
  )
  assert.is(
    said(b => Buffer.concat([Buffer.of(15), b.subarray(1)])),
    'packet type 15 is none of 12, 13 and 14',
  )
  assert.is(
    said(b => b.fill('13', 16, 18)),
    'the expiry of the packet is not a time',
  )
  assert.is(
    said(b => b.fill(' ', 63, 64)),
    'the destination is not an ILP address',
  )
  assert.is(
    said(b => Buffer.concat([Buffer.of(12, 0x83, 0), b.subarray(2)])),
    'a length in the packet is written longer than it needs to be',
  )
  assert.is(
    said(() => Buffer.of(12, 0x80)),
    'a length in the packet is not readable',
  )
})

test('what no packet holds is not written', () => {
  assert.throws(() => encodeIlpPacket({ ...prepare, amount: 2n ** 64n }), /64 bits/)
  assert.throws(() => encodeIlpPacket({ ...prepare, data: new Uint8Array(32_768) }), /32767 bytes/)
  assert.throws(() => encodeIlpPacket({ ...prepare, condition: new Uint8Array(31) }), /32 bytes/)
})

test('ILP addresses', () => {
  for (const good of ['g.a', 'test.hub.sluice', 'private.x_~-9'])
    assert.ok(isIlpAddress(good), good)
  for (const bad of ['g', 'g.', '.a', 'http.a', 'g.a b', 'g..a', `g.${'a'.repeat(1022)}`])
    assert.not(isIlpAddress(bad), bad)
})

function theirBytes(one: IlpPacket): Buffer {
  const data = Buffer.from(one.data)
  switch (one.type) {
    case 'prepare':
      return theirs.serializeIlpPrepare({
        amount: String(one.amount),
        expiresAt: new Date(one.expiresAt),
        executionCondition: Buffer.from(one.condition),
        destination: one.destination,
        data,
      })
    case 'fulfill':
      return theirs.serializeIlpFulfill({ fulfillment: Buffer.from(one.fulfillment), data })
    case 'reject':
      return theirs.serializeIlpReject({ ...one, data })
  }
}

test.run()
