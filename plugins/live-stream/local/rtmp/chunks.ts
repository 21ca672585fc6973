/** A whole RTMP message. */
export interface RtmpMessage {
  readonly type: number
  readonly timestamp: number
  readonly streamId: number
  readonly payload: Buffer
}

interface ChunkStream {
  timestamp: number
  delta: number
  length: number
  type: number
  streamId: number
  extended: boolean
  /** What came of the message so far: `received` bytes of it. */
  body: Buffer
  received: number
}

const MAX_CHUNK_STREAMS = 32
const MAX_CHUNK_SIZE = 1 << 20
const NOTHING = Buffer.alloc(0)
const FIRST_BODY_BYTES = 4096
const HEADER_BYTES = [11, 7, 3, 0] as const

/**
 * Puts messages together from the chunks of a connection (RTMP 1.0, 5.3). Memory grows only with bytes that
 * came, at most twofold and whatever the chunk size: a length that lies allocates nothing, a million chunks of
 * one byte are no million buffers. Throws on what breaks a limit; the connection is then closed.
 */
export class ChunkReader {
  chunkSize = 128
  private rest: Buffer = Buffer.alloc(0)
  private readonly streams = new Map<number, ChunkStream>()
  /** Bytes of messages that are not whole yet, over all chunk streams. */
  private pending = 0
  /** Longest message that is taken; small until a publisher is accepted. */
  maxMessageBytes: number

  constructor(maxMessageBytes: number) {
    this.maxMessageBytes = maxMessageBytes
  }

  setChunkSize(size: number): void {
    if (size < 1 || size > MAX_CHUNK_SIZE) throw new Error(`RTMP: chunk size ${size}`)
    this.chunkSize = size
  }

  /** Takes bytes and hands each message on as it is whole; the handler may change `chunkSize`. */
  push(bytes: Buffer, onMessage: (message: RtmpMessage) => void): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    let at = 0
    for (;;) {
      const used = this.readChunk(this.rest.subarray(at), onMessage)
      if (used === 0) break
      at += used
    }
    this.rest = this.rest.subarray(at)
  }

  /** Bytes of the chunk at the beginning of `bytes`; 0 while it is not whole. */
  private readChunk(bytes: Buffer, onMessage: (message: RtmpMessage) => void): number {
    const first = bytes[0]
    if (first === undefined) return 0
    const short = first & 0x3f
    const basic = short === 0 ? 2 : short === 1 ? 3 : 1
    if (bytes.length < basic) return 0
    const id =
      short === 0 ? bytes.readUInt8(1) + 64 : short === 1 ? bytes.readUInt16LE(1) + 64 : short
    const format = (first >> 6) as 0 | 1 | 2 | 3
    const headerBytes = HEADER_BYTES[format]
    if (bytes.length < basic + headerBytes) return 0

    const stream = this.stream(id, format)
    // A header in the middle of a message gives the old one up.
    const fresh = stream.received === 0 || format < 3
    const field = format < 3 ? bytes.readUIntBE(basic, 3) : 0
    const extended = format < 3 ? field === 0xffffff : stream.extended
    let at = basic + headerBytes
    if (bytes.length < at + (extended ? 4 : 0)) return 0
    const time = extended ? bytes.readUInt32BE(at) : field
    if (extended) at += 4

    const length = format < 2 ? bytes.readUIntBE(basic + 3, 3) : stream.length
    if (length > this.maxMessageBytes) throw new Error(`RTMP: a message of ${length} bytes`)
    const size = Math.min(this.chunkSize, length - (fresh ? 0 : stream.received))
    if (bytes.length < at + size) return 0

    if (fresh) this.begin(stream, format, time, extended, length, bytes, basic)
    this.append(stream, bytes.subarray(at, at + size))
    if (stream.received >= stream.length) this.finish(stream, onMessage)
    return at + size
  }

  private begin(
    stream: ChunkStream,
    format: 0 | 1 | 2 | 3,
    time: number,
    extended: boolean,
    length: number,
    bytes: Buffer,
    basic: number,
  ): void {
    stream.extended = extended
    if (format === 0) {
      stream.timestamp = time
      stream.delta = 0
      stream.streamId = bytes.readUInt32LE(basic + 7)
    } else {
      if (format < 3) stream.delta = time
      stream.timestamp = (stream.timestamp + stream.delta) >>> 0
    }
    if (format < 2) {
      stream.length = length
      stream.type = bytes.readUInt8(basic + 6)
    }
    this.drop(stream)
  }

  private append(stream: ChunkStream, part: Buffer): void {
    this.pending += part.length
    if (this.pending > 2 * this.maxMessageBytes) throw new Error('RTMP: too many messages begun')
    const needed = stream.received + part.length
    if (needed > stream.body.length) {
      const room = Math.max(FIRST_BODY_BYTES, 2 * stream.body.length, needed)
      const grown = Buffer.allocUnsafeSlow(Math.min(room, stream.length))
      stream.body.copy(grown, 0, 0, stream.received)
      stream.body = grown
    }
    part.copy(stream.body, stream.received)
    stream.received = needed
  }

  private drop(stream: ChunkStream): void {
    this.pending -= stream.received
    stream.body = NOTHING
    stream.received = 0
  }

  /** The sender gives up a message that it has begun (RTMP 1.0, 5.4.2). */
  abort(chunkStream: number): void {
    const stream = this.streams.get(chunkStream)
    if (stream) this.drop(stream)
  }

  private finish(stream: ChunkStream, onMessage: (message: RtmpMessage) => void): void {
    const payload = stream.body.subarray(0, stream.received)
    this.drop(stream)
    onMessage({
      type: stream.type,
      timestamp: stream.timestamp,
      streamId: stream.streamId,
      payload,
    })
  }

  private stream(id: number, format: number): ChunkStream {
    const known = this.streams.get(id)
    if (known) return known
    if (format !== 0 && format !== 1)
      throw new Error('RTMP: a chunk stream begins without its header')
    if (this.streams.size >= MAX_CHUNK_STREAMS) throw new Error('RTMP: too many chunk streams')
    const stream = {
      timestamp: 0,
      delta: 0,
      length: 0,
      type: 0,
      streamId: 0,
      extended: false,
      body: NOTHING,
      received: 0,
    }
    this.streams.set(id, stream)
    return stream
  }
}

/** Cuts a message into chunks of the size that we announced. Timestamps of three bytes and more are written out (5.3.1.3). */
export function writeMessage(
  chunkStream: number,
  type: number,
  streamId: number,
  payload: Buffer,
  chunkSize: number,
  timestamp = 0,
): Buffer {
  const extended = timestamp >= 0xffffff ? Buffer.alloc(4) : NOTHING
  if (extended.length > 0) extended.writeUInt32BE(timestamp >>> 0)
  const header = Buffer.alloc(12)
  header[0] = chunkStream
  header.writeUIntBE(extended.length > 0 ? 0xffffff : timestamp, 1, 3)
  header.writeUIntBE(payload.length, 4, 3)
  header[7] = type
  header.writeUInt32LE(streamId, 8)
  const parts: Buffer[] = [header, extended]
  for (let at = 0; at < payload.length || at === 0; at += chunkSize) {
    if (at > 0) parts.push(Buffer.from([0xc0 | chunkStream]), extended)
    parts.push(payload.subarray(at, at + chunkSize))
  }
  return Buffer.concat(parts)
}
