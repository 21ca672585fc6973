/** A box of ISO BMFF (ISO/IEC 14496-12): its type and its whole bytes, header included. */
export interface Box {
  readonly type: string
  readonly bytes: Buffer
}

const MAX_BOX_BYTES = 64 << 20

/** Cuts a byte stream into top-level boxes. Throws on a length that cannot be. */
export class BoxReader {
  private parts: Buffer[] = []
  private held = 0

  push(bytes: Buffer): Box[] {
    this.parts.push(bytes)
    this.held += bytes.length
    const boxes: Box[] = []
    for (
      let size = this.nextSize();
      size !== undefined && size <= this.held;
      size = this.nextSize()
    ) {
      const all = this.parts.length === 1 ? (this.parts[0] ?? bytes) : Buffer.concat(this.parts)
      const box = all.subarray(0, size)
      const rest = all.subarray(size)
      this.parts = rest.length > 0 ? [rest] : []
      this.held = rest.length
      boxes.push({ type: box.toString('latin1', 4, 8), bytes: box })
    }
    return boxes
  }

  private nextSize(): number | undefined {
    if (this.held < 8) return undefined
    if ((this.parts[0]?.length ?? 0) < 8) this.parts = [Buffer.concat(this.parts)]
    const size = this.parts[0]?.readUInt32BE(0) ?? 0
    if (size < 8 || size > MAX_BOX_BYTES) throw new Error(`the engine wrote a box of ${size} bytes`)
    return size
  }
}

/** The boxes inside a container's body. */
export function children(body: Buffer): Box[] {
  const boxes: Box[] = []
  for (let at = 0; at + 8 <= body.length; ) {
    const size = body.readUInt32BE(at)
    if (size < 8 || at + size > body.length) break
    boxes.push({
      type: body.toString('latin1', at + 4, at + 8),
      bytes: body.subarray(at, at + size),
    })
    at += size
  }
  return boxes
}

/** All boxes at a path of types below a container, for example `find(moov, 'trak', 'mdia', 'mdhd')`. */
export function find(box: Box, ...path: string[]): Box[] {
  let level = [box]
  for (const type of path)
    level = level.flatMap(one =>
      children(one.bytes.subarray(8)).filter(child => child.type === type),
    )
  return level
}
