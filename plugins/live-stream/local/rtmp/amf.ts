/** AMF0 as RTMP commands use it. Objects have no prototype, so `__proto__` is a key like any other. */
export type AmfValue = number | boolean | string | null | undefined | AmfObject | AmfValue[]
export interface AmfObject {
  [key: string]: AmfValue
}

const MAX_DEPTH = 8

/** Reads all values of a payload. Throws on what is not AMF0, is cut short, or nests deeper than eight. */
export function decodeAmf(bytes: Buffer): AmfValue[] {
  const reader = { bytes, at: 0 }
  const values: AmfValue[] = []
  while (reader.at < bytes.length) values.push(readValue(reader, 0))
  return values
}

interface Reader {
  readonly bytes: Buffer
  at: number
}

function take(reader: Reader, count: number): Buffer {
  const end = reader.at + count
  if (end > reader.bytes.length) throw new Error('AMF0: the payload is cut short')
  const part = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return part
}

const readText = (reader: Reader): string =>
  take(reader, take(reader, 2).readUInt16BE()).toString('utf8')

function readValue(reader: Reader, depth: number): AmfValue {
  if (depth > MAX_DEPTH) throw new Error('AMF0: nested too deeply')
  const marker = take(reader, 1)[0]
  switch (marker) {
    case 0x00:
      return take(reader, 8).readDoubleBE()
    case 0x01:
      return take(reader, 1)[0] !== 0
    case 0x02:
      return readText(reader)
    case 0x03:
      return readObject(reader, depth)
    case 0x05:
      return null
    case 0x06:
      return undefined
    case 0x08:
      take(reader, 4)
      return readObject(reader, depth)
    case 0x0a:
      return readArray(reader, depth)
    case 0x0b:
      return take(reader, 10).readDoubleBE(0)
    case 0x0c:
      return take(reader, take(reader, 4).readUInt32BE()).toString('utf8')
    default:
      throw new Error(`AMF0: unknown type ${marker}`)
  }
}

function readObject(reader: Reader, depth: number): AmfObject {
  const object: AmfObject = Object.create(null)
  for (;;) {
    const key = readText(reader)
    if (key === '' && reader.bytes[reader.at] === 0x09) {
      reader.at += 1
      return object
    }
    object[key] = readValue(reader, depth + 1)
  }
}

function readArray(reader: Reader, depth: number): AmfValue[] {
  const count = take(reader, 4).readUInt32BE()
  const list: AmfValue[] = []
  // Each value takes a byte at least: a count that lies ends at the payload's end.
  for (let i = 0; i < count; i++) list.push(readValue(reader, depth + 1))
  return list
}

/** Writes values one after the other. */
export const encodeAmf = (...values: AmfValue[]): Buffer => Buffer.concat(values.map(encodeValue))

function encodeValue(value: AmfValue): Buffer {
  if (value === null || value === undefined) return Buffer.from([value === null ? 0x05 : 0x06])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9)
    bytes.writeDoubleBE(value, 1)
    return bytes
  }
  if (typeof value === 'boolean') return Buffer.from([0x01, value ? 1 : 0])
  if (typeof value === 'string') return Buffer.concat([Buffer.from([0x02]), encodeText(value)])
  if (Array.isArray(value)) throw new Error('AMF0: the relay writes no arrays')
  const fields = Object.entries(value).flatMap(([key, item]) => [
    encodeText(key),
    encodeValue(item),
  ])
  return Buffer.concat([Buffer.from([0x03]), ...fields, Buffer.from([0, 0, 0x09])])
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
