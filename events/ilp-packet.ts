import { type Parsed, parsed, unparsed } from './event.ts'
import {
  concatBytes,
  fromUtf8,
  OerError,
  type OerReader,
  oerReader,
  uint64,
  utf8,
  varOctets,
} from './oer.ts'

/** Money on its way: paid out only against the 32 bytes whose SHA-256 is `condition`. */
export interface IlpPrepare {
  readonly type: 'prepare'
  /** In the unit of the two neighbours that this packet goes between. */
  readonly amount: bigint
  /** Unix ms. */
  readonly expiresAt: number
  /** 32 bytes. */
  readonly condition: Uint8Array
  readonly destination: string
  readonly data: Uint8Array
}

export interface IlpFulfill {
  readonly type: 'fulfill'
  /** 32 bytes. */
  readonly fulfillment: Uint8Array
  readonly data: Uint8Array
}

export interface IlpReject {
  readonly type: 'reject'
  /** F.., T.. or R.., see `ilpCodes`. */
  readonly code: string
  /** The ILP address of who refused; empty where it is not known. */
  readonly triggeredBy: string
  readonly message: string
  readonly data: Uint8Array
}

export type IlpReply = IlpFulfill | IlpReject
export type IlpPacket = IlpPrepare | IlpReply

/** The codes that this side of Interledger says (IL-RFC 27). */
export const ilpCodes = {
  badRequest: 'F00',
  invalidPacket: 'F01',
  unreachable: 'F02',
  insufficientAmount: 'F04',
  wrongCondition: 'F05',
  unexpectedPayment: 'F06',
  cannotReceive: 'F07',
  amountTooLarge: 'F08',
  application: 'F99',
  internal: 'T00',
  insufficientLiquidity: 'T04',
  timedOut: 'R00',
} as const
export type IlpCode = (typeof ilpCodes)[keyof typeof ilpCodes]

/** Bytes that one packet's `data` may hold (IL-RFC 27). */
export const MAX_ILP_DATA = 32_767

const types = { prepare: 12, fulfill: 13, reject: 14 } as const
const ADDRESS = /^(g|private|example|peer|self|test[1-3]?|local)(\.[a-zA-Z0-9_~-]+)+$/

/** True for an ILP address (IL-RFC 15). Example: `isIlpAddress('g.hub.sluice') // true`. */
export const isIlpAddress = (text: string): boolean => text.length <= 1023 && ADDRESS.test(text)

/** The bytes of a packet, ILPv4 in OER (IL-RFC 27). Throws RangeError for what no packet holds. */
export function encodeIlpPacket(packet: IlpPacket): Uint8Array {
  if (packet.data.length > MAX_ILP_DATA)
    throw new RangeError(`a packet carries at most ${MAX_ILP_DATA} bytes of data`)
  return concatBytes(Uint8Array.of(types[packet.type]), varOctets(concatBytes(...body(packet))))
}

function body(packet: IlpPacket): Uint8Array[] {
  switch (packet.type) {
    case 'prepare':
      return [
        uint64(packet.amount),
        utf8(timestamp(packet.expiresAt)),
        bytes32(packet.condition),
        varOctets(utf8(packet.destination)),
        varOctets(packet.data),
      ]
    case 'fulfill':
      return [bytes32(packet.fulfillment), varOctets(packet.data)]
    case 'reject':
      if (!/^[FTR]\d\d$/.test(packet.code)) throw new RangeError(`${packet.code} is no ILP code`)
      return [
        utf8(packet.code),
        varOctets(utf8(packet.triggeredBy)),
        varOctets(utf8(packet.message)),
        varOctets(packet.data),
      ]
  }
}

function bytes32(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 32) throw new RangeError('conditions and fulfillments have 32 bytes')
  return bytes
}

/** Reads a packet of any of the three types; the sentence says what is wrong with it. */
export function decodeIlpPacket(bytes: Uint8Array): Parsed<IlpPacket> {
  try {
    const reader = oerReader(bytes)
    const type = reader.byte()
    const inside = oerReader(reader.varOctets())
    reader.end()
    const packet = readers[type]?.(inside)
    if (!packet) return unparsed(`packet type ${type} is none of 12, 13 and 14`)
    inside.end()
    if (packet.data.length > MAX_ILP_DATA)
      return unparsed(`a packet carries at most ${MAX_ILP_DATA} bytes of data`)
    return parsed(packet)
  } catch (error) {
    if (error instanceof OerError) return unparsed(error.message)
    throw error
  }
}

const readers: Readonly<Record<number, (reader: OerReader) => IlpPacket>> = {
  [types.prepare]: reader => ({
    type: 'prepare',
    amount: reader.uint64(),
    expiresAt: fromTimestamp(fromUtf8(reader.octets(17))),
    condition: reader.octets(32),
    destination: address(fromUtf8(reader.varOctets())),
    data: reader.varOctets(),
  }),
  [types.fulfill]: reader => ({
    type: 'fulfill',
    fulfillment: reader.octets(32),
    data: reader.varOctets(),
  }),
  [types.reject]: reader => ({
    type: 'reject',
    code: code(fromUtf8(reader.octets(3))),
    triggeredBy: fromUtf8(reader.varOctets()),
    message: fromUtf8(reader.varOctets()),
    data: reader.varOctets(),
  }),
}

function address(text: string): string {
  if (!isIlpAddress(text)) throw new OerError('the destination is not an ILP address')
  return text
}

function code(text: string): string {
  if (!/^[FTR]\d\d$/.test(text))
    throw new OerError('the code of a reject is F, T or R and two digits')
  return text
}

/** `20251120071800123`, UTC. */
function timestamp(ms: number): string {
  const text = new Date(ms).toISOString().replace(/[-:.TZ]/g, '')
  if (text.length !== 17) throw new RangeError('a packet expires between the years 0 and 9999')
  return text
}

function fromTimestamp(text: string): number {
  const [, y, mo, d, h, mi, s, ms] = TIMESTAMP.exec(text) ?? []
  const at = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}.${ms}Z`)
  if (Number.isNaN(at) || timestamp(at) !== text)
    throw new OerError('the expiry of the packet is not a time')
  return at
}

const TIMESTAMP = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/
