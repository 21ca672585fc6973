import { randomBytes } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { outerLookup } from '../../livepeer/gateway/addresses.ts'
import { type AmfValue, decodeAmf, encodeAmf } from '../rtmp/amf.ts'
import { ChunkReader, type RtmpMessage, writeMessage } from '../rtmp/chunks.ts'
import type { FlvTag } from '../rtmp/session.ts'
import type { TargetAddress } from './target-url.ts'

const HANDSHAKE_BYTES = 1536
const OUT_CHUNK = 4096
const MAX_ANSWER_BYTES = 65_536
/** From the first packet to Publish.Start. */
const PATIENCE_MS = 10_000
/** A target this far behind does not keep up. */
const MAX_UNSENT_BYTES = 16 << 20
const CREATE_STREAM = 4
const SET_DATA_FRAME = encodeAmf('@setDataFrame')

/**
 * A connection that publishes to somebody else's RTMP server (RTMP 1.0): what our own ingest takes, from the other side.
 * The server is not trusted: what it says is bounded, and ends at worst this connection.
 */
export class RtmpPush {
  /** Resolves when the target takes media; rejects with a sentence, in which the key does not stand. */
  readonly ready: Promise<void>
  /** Resolves with why it is over. */
  readonly ended: Promise<string>
  private readonly target: TargetAddress
  private readonly socket: Socket
  private readonly chunks = new ChunkReader(MAX_ANSWER_BYTES)
  private greeting: Buffer | undefined = Buffer.alloc(0)
  private greeted = false
  private streamId = 0
  private outChunk = 128
  private publishing = false
  private finish: (cause: string) => void = () => undefined
  private start: () => void = () => undefined

  constructor(target: TargetAddress, options: { inner: boolean }) {
    this.target = target
    const { host, port } = target
    const where = { host, port, ...(options.inner ? {} : { lookup: outerLookup }) }
    this.socket = target.secure
      ? connectTls({ ...where, ...(isIP(host) ? {} : { servername: host }) })
      : connectTcp({ ...where })
    this.socket.setNoDelay(true)
    const started = new Promise<void>(resolve => {
      this.start = resolve
    })
    this.ended = new Promise(resolve => {
      this.finish = resolve
    })
    this.ready = Promise.race([
      started,
      this.ended.then(cause => {
        throw new Error(cause)
      }),
    ])
    this.ready.catch(() => undefined)
    const late = setTimeout(() => this.end('does not answer'), PATIENCE_MS)
    this.ready.then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    )
    this.socket.once(target.secure ? 'secureConnect' : 'connect', () => this.greet())
    this.socket.on('data', bytes => this.guard(() => this.onData(bytes)))
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.end(describe(error)))
    this.socket.on('close', () => this.end('closed the connection'))
  }

  /** Sends a piece of media on. */
  send({ type, timestamp, data }: FlvTag): void {
    if (!this.publishing) return
    const payload = type === 18 ? Buffer.concat([SET_DATA_FRAME, data]) : data
    const chunkStream = type === 8 ? 5 : type === 9 ? 6 : 4
    const { streamId, outChunk } = this
    this.socket.write(
      writeMessage(chunkStream, type, streamId, payload, outChunk, type === 18 ? 0 : timestamp),
    )
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.end('takes the media too slowly')
  }

  /** Says that it is over, as an encoder does. */
  close(): void {
    if (this.publishing) {
      this.command('FCUnpublish', 6, null, this.target.key)
      this.command('deleteStream', 7, null, this.streamId)
    }
    this.publishing = false
    this.socket.end()
    this.finish('closed by us')
    setTimeout(() => this.socket.destroy(), 1000).unref()
  }

  private end(cause: string): void {
    this.publishing = false
    this.finish(cause)
    this.socket.destroy()
  }

  private guard(work: () => void): void {
    try {
      work()
    } catch {
      this.end('answers with what is no RTMP')
    }
  }

  private greet(): void {
    this.socket.write(
      Buffer.concat([Buffer.from([3]), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]),
    )
  }

  private onData(bytes: Buffer): void {
    const rest = this.greeting ? this.shakeHands(bytes) : bytes
    if (rest.length > 0) this.chunks.push(rest, message => this.onMessage(message))
  }

  /** S0 S1 S2; S1 is echoed as C2. */
  private shakeHands(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.greeting ?? Buffer.alloc(0), bytes])
    this.greeting = all
    if (all.length > 0 && all[0] !== 3) throw new Error('RTMP: this is not a handshake')
    if (!this.greeted && all.length >= 1 + HANDSHAKE_BYTES) {
      this.greeted = true
      this.socket.write(all.subarray(1, 1 + HANDSHAKE_BYTES))
    }
    const whole = 1 + 2 * HANDSHAKE_BYTES
    if (all.length < whole) return Buffer.alloc(0)
    this.greeting = undefined
    const { app, tcUrl } = this.target
    const flashVer = 'FMLE/3.0 (compatible; Sluice)'
    this.command('connect', 1, { app, type: 'nonprivate', flashVer, tcUrl })
    return all.subarray(whole)
  }

  private onMessage({ type, payload }: RtmpMessage): void {
    if (type === 1) return this.chunks.setChunkSize(payload.readUInt32BE(0) & 0x7fffffff)
    if (type === 2) return this.chunks.abort(payload.readUInt32BE(0))
    if (type === 4 && payload.readUInt16BE(0) === 6) return this.pong(payload)
    if (type === 20) this.onCommand(decodeAmf(payload))
  }

  private pong(ping: Buffer): void {
    this.write(2, 4, 0, Buffer.concat([Buffer.from([0, 7]), ping.subarray(2, 6)]))
  }

  private onCommand([name, transaction, , info]: AmfValue[]): void {
    if (name === '_error') return this.refused(info)
    if (name === '_result' && transaction === 1) return this.createStream()
    if (name === '_result' && transaction === CREATE_STREAM) return this.publish(info)
    if (name !== 'onStatus') return
    const { level, code } = fields(info)
    if (level === 'error') return this.refused(info)
    if (code !== 'NetStream.Publish.Start') return
    this.publishing = true
    this.start()
  }

  private createStream(): void {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(OUT_CHUNK)
    this.write(2, 1, 0, size)
    this.outChunk = OUT_CHUNK
    this.command('releaseStream', 2, null, this.target.key)
    this.command('FCPublish', 3, null, this.target.key)
    this.command('createStream', CREATE_STREAM, null)
  }

  private publish(streamId: AmfValue): void {
    if (typeof streamId !== 'number') throw new Error('RTMP: a stream without a number')
    this.streamId = streamId
    const words = encodeAmf('publish', 5, null, this.target.key, 'live')
    this.write(4, 20, streamId, words)
  }

  /** The server's own words, cut short; some repeat the key in them. */
  private refused(info: AmfValue): void {
    const { code, description } = fields(info)
    const said = [code, description].filter(one => typeof one === 'string').join(' ')
    const safe = said
      .replaceAll(this.target.key, '...')
      .replace(/[^ -~]/g, '?')
      .slice(0, 160)
    this.end(`refuses the stream${safe ? ` (${safe})` : ''}`)
  }

  private command(...values: AmfValue[]): void {
    this.write(3, 20, 0, encodeAmf(...values))
  }

  private write(chunkStream: number, type: number, streamId: number, payload: Buffer): void {
    this.socket.write(writeMessage(chunkStream, type, streamId, payload, this.outChunk))
  }
}

const fields = (info: AmfValue): Record<string, AmfValue> =>
  typeof info === 'object' && info !== null && !Array.isArray(info) ? info : {}

function describe({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refuses connections'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'is not found (DNS)'
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'is not reached'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'closed the connection'
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'speaks no TLS at this port (rtmp:// instead of rtmps://?)'
    default:
      if (/CERT|VERIFY/.test(code ?? '')) return `shows a certificate that does not hold (${code})`
      return /not an address outside/.test(message)
        ? 'is inside this network, and nothing is sent there'
        : `cannot be connected to (${code ?? 'unknown'})`
  }
}
