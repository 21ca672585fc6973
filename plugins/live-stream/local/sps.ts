/**
 * Height of the pictures that an AVC decoder configuration (ISO/IEC 14496-15, 5.3.3.1) announces; undefined where it cannot
 * be read. Source: ITU-T H.264, 7.3.2.1.1, the sequence parameter set.
 */
export function heightOf(avcC: Uint8Array): number | undefined {
  const length = ((avcC[6] ?? 0) << 8) | (avcC[7] ?? 0)
  const sps = avcC.subarray(8, 8 + length)
  if ((avcC[5] ?? 0) % 32 === 0 || sps.length < length || length < 5) return undefined
  const bits = new Bits(withoutEmulation(sps.subarray(1)))
  const profile = bits.read(8)
  bits.read(16)
  bits.golomb()
  let chroma = 1
  if (HIGH_PROFILES.has(profile)) {
    chroma = bits.golomb()
    if (chroma === 3) bits.read(1)
    bits.golomb()
    bits.golomb()
    bits.read(1)
    // Scaling lists are rare, and not worth reading for a height.
    if (bits.read(1) === 1) return undefined
  }
  bits.golomb()
  skipOrder(bits)
  bits.golomb()
  bits.read(1)
  bits.golomb()
  const mapUnits = bits.golomb() + 1
  const frames = bits.read(1)
  if (frames === 0) bits.read(1)
  bits.read(1)
  const height = (2 - frames) * mapUnits * 16
  if (bits.read(1) === 0) return bits.over ? undefined : height
  const [, , top, bottom] = [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()]
  const unit = (chroma === 1 ? 2 : 1) * (2 - frames)
  return bits.over ? undefined : height - unit * (top + bottom)
}

const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135])
const MAX_REFERENCES = 255

/** Picture order count: three ways, of which none says anything about the size. */
function skipOrder(bits: Bits): void {
  const type = bits.golomb()
  if (type === 0) bits.golomb()
  if (type !== 1) return
  bits.read(1)
  bits.golomb()
  bits.golomb()
  const count = Math.min(bits.golomb(), MAX_REFERENCES)
  for (let i = 0; i < count; i++) bits.golomb()
}

/** Takes out the 3 that keeps 00 00 0x apart from a start code. */
function withoutEmulation(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, i) => !(byte === 3 && i >= 2 && !bytes[i - 1] && !bytes[i - 2]))
}

class Bits {
  private readonly bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** True when more was read than there is. */
  get over(): boolean {
    return this.at > 8 * this.bytes.length
  }

  read(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++, this.at++)
      value = 2 * value + (((this.bytes[this.at >> 3] ?? 0) >> (7 - (this.at & 7))) & 1)
    return value
  }

  /** Exp-Golomb, unsigned (9.1); at the end of the bytes 0. */
  golomb(): number {
    let zeros = 0
    while (zeros < 32 && !this.over && this.read(1) === 0) zeros += 1
    return 2 ** zeros - 1 + this.read(zeros)
  }
}
