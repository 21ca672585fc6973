/** Header of a whole unfragmented text message from server to client (RFC 6455, 5.2); gives its length. */
function writeHeader(target: Buffer, at: number, length: number): number {
  target[at] = 0x81
  if (length < 126) {
    target[at + 1] = length
    return 2
  }
  if (length < 65_536) {
    target[at + 1] = 126
    target.writeUInt16BE(length, at + 2)
    return 4
  }
  target[at + 1] = 127
  target.writeBigUInt64BE(BigInt(length), at + 2)
  return 10
}

const headerBytes = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10)

/** One text message as it goes over the wire: unmasked, uncompressed. */
export const textFrame = (text: string): Buffer => textFrames([text])

/** Several messages, each a frame of its own, in one piece of memory: a REQ's answer leaves in one write. */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map(text => Buffer.byteLength(text))
  const total = lengths.reduce((sum, length) => sum + headerBytes(length) + length, 0)
  const frames = Buffer.allocUnsafe(total)
  let at = 0
  for (const [i, text] of texts.entries()) {
    const length = lengths[i] ?? 0
    at += writeHeader(frames, at, length)
    at += frames.write(text, at, length)
  }
  return frames
}

/** The messages in what `textFrame` or `textFrames` made. */
export function payloads(frames: Buffer): Buffer[] {
  const texts: Buffer[] = []
  for (let at = 0; at < frames.length; ) {
    const short = frames[at + 1] ?? 0
    const length =
      short < 126
        ? short
        : short === 126
          ? frames.readUInt16BE(at + 2)
          : Number(frames.readBigUInt64BE(at + 2))
    const from = at + headerBytes(length)
    at = from + length
    texts.push(frames.subarray(from, at))
  }
  return texts
}
