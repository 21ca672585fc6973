import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type AmfObject, type AmfValue, decodeAmf, encodeAmf } from './amf.ts'
import { ChunkReader, type RtmpMessage, writeMessage } from './chunks.ts'

/** One piece of media as FLV has it: 8 audio, 9 video, 18 script data. Timestamp in ms. */
export interface FlvTag {
  readonly type: 8 | 9 | 18
  readonly timestamp: number
  readonly data: Buffer
}

/** What a session needs of the server around it. */
export interface SessionHooks {
  /** May this key publish? Gives where its media goes; a sentence for the streamer, or undefined, where it may not. */
  accept(key: string, session: RtmpSession): Promise<((tag: FlvTag) => void) | string | undefined>
  closed(session: RtmpSession, cause: string): void
}

const HANDSHAKE_BYTES = 1536
const OUT_CHUNK = 4096
const WINDOW = 2_500_000
/** Until a key was accepted nobody needs more than a command of this size. */
const MAX_COMMAND_BYTES = 16_384
const MAX_MEDIA_BYTES = 8 << 20
const GREETING_MS = 10_000
/** More answers than this unread: whoever asks does not listen. */
const MAX_UNSENT_BYTES = 65_536
/** For what was said last; then the socket goes, read or not. */
const FAREWELL_MS = 2000

/**
 * One publisher's connection (RTMP 1.0): handshake, connect, createStream, publish, media. There is no play.
 * Whatever breaks the protocol closes the socket and nothing else.
 */
export class RtmpSession {
  readonly remote: string
  private readonly socket: Socket
  private readonly hooks: SessionHooks
  private readonly chunks = new ChunkReader(MAX_COMMAND_BYTES)
  private greeting: Buffer | undefined = Buffer.alloc(0)
  private greeted = false
  private sink: ((tag: FlvTag) => void) | undefined
  private connected = false
  private asked = false
  private received = 0
  private acknowledged = 0
  private over = false

  constructor(socket: Socket, options: { idleMs: number; hooks: SessionHooks }) {
    this.socket = socket
    this.hooks = options.hooks
    this.remote = socket.remoteAddress ?? ''
    socket.setNoDelay(true)
    socket.setTimeout(options.idleMs, () => this.end('sent nothing for too long'))
    // A slow loris may trickle forever within the idle time: who has not published by now is not going to.
    const late = setTimeout(() => this.sink || this.end('did not publish in time'), GREETING_MS)
    socket.on('data', bytes => this.guard(() => this.onData(bytes)))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(late)
      this.end('connection closed')
    })
  }

  /** True once it is over: nothing it sent counts any more. */
  get ended(): boolean {
    return this.over
  }

  /** True once its key was accepted. */
  get publishing(): boolean {
    return this.sink !== undefined
  }

  end(cause: string): void {
    if (this.over) return
    this.over = true
    // What was said last (why a key is refused) still goes out.
    this.socket.destroySoon()
    setTimeout(() => this.socket.destroy(), FAREWELL_MS).unref()
    this.hooks.closed(this, cause)
  }

  /** Ends it with a status that encoders show to their streamer. */
  refuse(cause: string): void {
    if (this.over) return
    this.status('error', 'NetStream.Publish.Denied', cause)
    this.end(cause)
  }

  private guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error))
    }
  }

  private onData(bytes: Buffer): void {
    if (this.over) return
    this.received += bytes.length
    const rest = this.greeting ? this.shakeHands(bytes) : bytes
    if (rest.length > 0) this.chunks.push(rest, message => this.onMessage(message))
    if (this.received - this.acknowledged > WINDOW / 2) {
      this.acknowledged = this.received
      const count = Buffer.alloc(4)
      count.writeUInt32BE(this.received >>> 0)
      this.write(2, 3, 0, count)
    }
  }

  /** C0 C1 -> S0 S1 S2, then C2 is passed over; gives what came after it. */
  private shakeHands(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.greeting ?? Buffer.alloc(0), bytes])
    this.greeting = all
    if (all.length > 0 && all[0] !== 3) throw new Error('RTMP: this is not a handshake')
    if (!this.greeted && all.length >= 1 + HANDSHAKE_BYTES) {
      this.greeted = true
      const s1 = Buffer.concat([Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)])
      this.socket.write(Buffer.concat([Buffer.from([3]), s1, all.subarray(1, 1 + HANDSHAKE_BYTES)]))
    }
    const whole = 1 + 2 * HANDSHAKE_BYTES
    if (all.length < whole) return Buffer.alloc(0)
    this.greeting = undefined
    return all.subarray(whole)
  }

  private onMessage({ type, timestamp, payload }: RtmpMessage): void {
    // One read may hold more messages than the one that ended it.
    if (this.over) return
    switch (type) {
      case 1:
        return this.chunks.setChunkSize(payload.readUInt32BE(0) & 0x7fffffff)
      case 2:
        return this.chunks.abort(payload.readUInt32BE(0))
      case 8:
      case 9:
        return this.sink?.({ type, timestamp, data: payload })
      case 18:
        return this.onScript(payload, timestamp)
      case 20:
        return this.onCommand(decodeAmf(payload))
      default:
        // Acknowledgements, user control, AMF3 and the like: nothing that ingest needs.
        return
    }
  }

  /** `@setDataFrame` is RTMP's envelope; the engine wants the FLV script tag inside. */
  private onScript(payload: Buffer, timestamp: number): void {
    const envelope = encodeAmf('@setDataFrame')
    const inside = payload.subarray(0, envelope.length).equals(envelope)
    this.sink?.({ type: 18, timestamp, data: inside ? payload.subarray(envelope.length) : payload })
  }

  private onCommand([name, transaction, object, ...args]: AmfValue[]): void {
    switch (name) {
      case 'connect':
        return this.onConnect(transaction, object)
      case 'createStream':
        return this.reply(encodeAmf('_result', transaction, null, 1))
      case 'releaseStream':
      case 'FCPublish':
        return this.reply(encodeAmf('_result', transaction, null, undefined))
      case 'publish':
        return this.onPublish(args[0])
      case 'play':
      case 'play2':
        this.status('error', 'NetStream.Play.Failed', 'this server only takes streams in')
        return this.end('asked to play')
      case 'FCUnpublish':
      case 'deleteStream':
      case 'closeStream':
        return this.end('the publisher stopped')
      default:
        return
    }
  }

  private onConnect(transaction: AmfValue, object: AmfValue): void {
    const app =
      typeof object === 'object' && object !== null ? (object as AmfObject).app : undefined
    if (typeof app !== 'string' || app.replace(/\/+$/, '') !== 'live') {
      const info = {
        level: 'error',
        code: 'NetConnection.Connect.Rejected',
        description: 'use /live',
      }
      this.reply(encodeAmf('_error', transaction, null, info))
      return this.end('connected to another app than /live')
    }
    this.connected = true
    const window = Buffer.alloc(4)
    window.writeUInt32BE(WINDOW)
    this.write(2, 5, 0, window)
    this.write(2, 6, 0, Buffer.concat([window, Buffer.from([2])]))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(OUT_CHUNK)
    this.write(2, 1, 0, size)
    this.reply(
      encodeAmf(
        '_result',
        transaction,
        { fmsVer: 'FMS/3,0,1,123', capabilities: 31 },
        {
          level: 'status',
          code: 'NetConnection.Connect.Success',
          description: 'Connection succeeded.',
          objectEncoding: 0,
        },
      ),
    )
  }

  /** The key is checked before one byte of media is read: the socket rests until the answer is there. */
  private onPublish(name: AmfValue): void {
    if (!this.connected) throw new Error('RTMP: published without connect')
    if (this.asked) throw new Error('RTMP: published twice')
    this.asked = true
    const key = typeof name === 'string' ? (name.split('?')[0] ?? '') : ''
    this.socket.pause()
    this.hooks.accept(key, this).then(
      sink => {
        if (this.over) return
        if (typeof sink === 'string') return this.refuse(sink)
        if (!sink) {
          this.status('error', 'NetStream.Publish.BadName', 'this stream key is not known here')
          return this.end('a stream key that is not known')
        }
        this.sink = sink
        this.chunks.maxMessageBytes = MAX_MEDIA_BYTES
        this.status('status', 'NetStream.Publish.Start', 'publishing')
        this.socket.resume()
      },
      error => this.end(`the stream key could not be checked: ${error}`),
    )
  }

  private status(level: string, code: string, description: string): void {
    this.write(5, 20, 1, encodeAmf('onStatus', 0, null, { level, code, description }))
  }

  private reply(payload: Buffer): void {
    this.write(3, 20, 0, payload)
  }

  private write(chunkStream: number, type: number, streamId: number, payload: Buffer): void {
    // Our announcement of a chunk size is itself in 128-byte chunks; nothing before it is longer.
    this.socket.write(writeMessage(chunkStream, type, streamId, payload, OUT_CHUNK))
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.end('does not read its answers')
  }
}
