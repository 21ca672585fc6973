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
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerBytes(length) + length)
  frame.write(text, writeHeader(frame, 0, length))
  return frame
}

/**
 * A REQ's answer, each event a frame of its own and `last` behind them, in one piece of memory that leaves in one
 * write. The events' texts are written as they are: to join them with what stands around them would copy each twice.
 *
 * @example
 * answerFrames('["EVENT","s",', ['{"id":...}'], '["EOSE","s"]') // ["EVENT","s",{"id":...}] ["EOSE","s"]
 */
export function answerFrames(opening: string, raws: readonly string[], last: string): Buffer {
  const before = Buffer.from(opening)
  const lengths: number[] = []
  const end = textFrame(last)
  let total = end.length
  for (const raw of raws) {
    const length = before.length + Buffer.byteLength(raw) + 1
    lengths.push(length)
    total += headerBytes(length) + length
  }
  const frames = Buffer.allocUnsafe(total)
  let at = 0
  for (let i = 0; i < raws.length; i++) {
    at += writeHeader(frames, at, lengths[i] as number)
    frames.set(before, at)
    at += before.length
    at += frames.write(raws[i] as string, at)
    frames[at++] = 0x5d // ]
  }
  frames.set(end, at)
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
