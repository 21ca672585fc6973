/** Reads bytes and varints (base 128, most significant first, the high bit says that more follow). */
export class ByteReader {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    return this.take(1)[0] ?? 0
  }

  take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw new Error('the message is cut short')
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  varint(): number {
    let value = 0
    for (;;) {
      const byte = this.byte()
      value = value * 128 + (byte & 0x7f)
      if (value > Number.MAX_SAFE_INTEGER) throw new Error('a number is too large')
      if (byte < 0x80) return value
    }
  }
}

/** Writes what ByteReader reads. */
export class ByteWriter {
  private readonly parts: Buffer[] = []
  length = 0

  add(bytes: Buffer): this {
    this.parts.push(bytes)
    this.length += bytes.length
    return this
  }

  byte(value: number): this {
    return this.add(Buffer.from([value]))
  }

  varint(value: number): this {
    const digits = [value % 128]
    for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
      digits.unshift((rest % 128) + 128)
    return this.add(Buffer.from(digits))
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts)
  }

  hex(): string {
    return this.bytes().toString('hex')
  }
}
