/** Writes boxes of ISO BMFF. */
export function box(type: string, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + body.length)
  head.write(type, 4, 'latin1')
  return Buffer.concat([head, body])
}

/** A box with version, flags 0 and fields of 32 bits. */
export const fullBox = (type: string, version: number, ...parts: Uint8Array[]): Buffer =>
  box(type, Buffer.from([version, 0, 0, 0]), ...parts)

/** Many numbers of 32 bits; spreading a million arguments would overflow the stack. */
export function list32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (let i = 0; i < values.length; i++) bytes.writeInt32BE((values[i] ?? 0) | 0, 4 * i)
  return bytes
}

export function list64(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length)
  for (let i = 0; i < values.length; i++) bytes.writeBigUInt64BE(BigInt(values[i] ?? 0), 8 * i)
  return bytes
}

export const u32 = (...values: number[]): Buffer => list32(values)
export const u64 = (...values: number[]): Buffer => list64(values)

/** Counts equal values that follow each other: how MP4 keeps durations and offsets. */
export class Runs {
  private readonly counts: number[] = []
  private readonly values: number[] = []

  push(value: number): void {
    const last = this.values.length - 1
    if (last >= 0 && this.values[last] === value) this.counts[last] = (this.counts[last] ?? 0) + 1
    else {
      this.counts.push(1)
      this.values.push(value)
    }
  }

  get onlyZero(): boolean {
    return this.values.every(value => value === 0)
  }

  /** The same and one value more. */
  with(value: number): Runs {
    const more = new Runs()
    for (const [i, one] of this.values.entries()) {
      more.values.push(one)
      more.counts.push(this.counts[i] ?? 0)
    }
    more.push(value)
    return more
  }

  table(type: string, version: number): Buffer {
    const pairs = this.values.flatMap((value, i) => [this.counts[i] ?? 0, value])
    return fullBox(type, version, u32(this.values.length), list32(pairs))
  }
}
