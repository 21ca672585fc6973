/** What a reader throws when bytes are not what they should be; its message is a sentence without prefix. */
export class OerError extends Error {
  override name = 'OerError'
}

/**
 * Reads the few shapes of OER that Interledger uses, strictly: canonical lengths, nothing beyond the end. Throws
 * `OerError`. Source: ITU-T X.696, as used by IL-RFC 27 and 23.
 *
 * @example
 * const reader = oerReader(bytes)
 * reader.byte() // 12
 */
export function oerReader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0

  function take(length: number): Uint8Array {
    if (length > bytes.length - at) throw new OerError('the packet ends too early')
    const taken = bytes.subarray(at, at + length)
    at += length
    return taken
  }

  function byte(): number {
    const [value] = take(1)
    return value ?? 0
  }

  function length(): number {
    const first = byte()
    if (first < 0x80) return first
    const digits = first & 0x7f
    if (digits === 0 || digits > 4) throw new OerError('a length in the packet is not readable')
    const value = take(digits).reduce((sum, digit) => sum * 256 + digit, 0)
    if (value < 0x80 || value < 256 ** (digits - 1))
      throw new OerError('a length in the packet is written longer than it needs to be')
    return value
  }

  return {
    byte,
    octets: take,
    varOctets: (): Uint8Array => take(length()),
    uint32(): number {
      take(4)
      return view.getUint32(at - 4)
    },
    uint64(): bigint {
      take(8)
      return view.getBigUint64(at - 8)
    },
    /** True when everything was read. */
    done: (): boolean => at === bytes.length,
    end(): void {
      if (at !== bytes.length) throw new OerError('the packet goes on after its end')
    },
  }
}
export type OerReader = ReturnType<typeof oerReader>

/** `bytes` with their length in front. */
export const varOctets = (bytes: Uint8Array): Uint8Array =>
  concatBytes(lengthPrefix(bytes.length), bytes)

function lengthPrefix(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Uint8Array.of(0x80 | digits.length, ...digits)
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** 0 to 2^64-1; throws RangeError beyond. */
export function uint64(value: bigint): Uint8Array {
  if (value < 0n || value >= 2n ** 64n) throw new RangeError(`${value} does not fit 64 bits`)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Latin and UTF-8 text, both ways; half a character throws `OerError`. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new OerError('a text in the packet is not UTF-8')
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
