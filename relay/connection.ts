import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { PolicyContext } from '../plugins/plugin.ts'
import { payloads, textFrame } from './frame.ts'
import type { Visibility } from './store/store.ts'
import type { Subscription } from './subscription.ts'

/** Why what a client asked for may be given up; one for all, because an error's stack costs more than most closings. */
const GONE = new Error('the client is gone')

/**
 * One client. What is sent in one turn of the event loop leaves in one write; a client that does not read is
 * cut once `maxPendingBytes` wait for it.
 */
export class Connection {
  readonly ip: string
  private readonly source: PolicyContext['source']
  /** NIP-42, for the whole life of the connection. */
  readonly challenge = randomBytes(16).toString('hex')
  readonly subscriptions = new Map<string, Subscription>()
  /** What this client may see; set once, it asks for the pubkeys each time. */
  visibility: Visibility | undefined
  /** True once the client is gone. */
  closed = false
  /** The pubkeys that this connection has proved to hold. */
  pubkeys: readonly string[] = []
  private readonly ws: WebSocket
  private readonly socket: Duplex
  private readonly maxPendingBytes: () => number
  private readonly flushLater: (connection: Connection) => void
  /** What is sent to it is compressed, by ws: frames that are shared with others cannot be. */
  private readonly deflates: boolean
  /** Made for the first who asks: of most connections nobody does. */
  private gone: AbortController | undefined
  private frames: Buffer[] = []
  private frameBytes = 0

  constructor(
    ws: WebSocket,
    socket: Duplex,
    options: { ip: string; maxPendingBytes(): number; flushLater(connection: Connection): void },
  ) {
    this.ws = ws
    this.socket = socket
    this.ip = options.ip
    this.source = { type: this.ip.includes(':') ? 'IP6' : 'IP4', info: this.ip }
    this.maxPendingBytes = options.maxPendingBytes
    this.flushLater = options.flushLater
    this.deflates = ws.extensions.includes('permessage-deflate')
    ws.once('close', () => {
      this.closed = true
      this.gone?.abort(GONE)
    })
  }

  authenticate(pubkey: string): void {
    if (!this.pubkeys.includes(pubkey)) this.pubkeys = [...this.pubkeys, pubkey]
  }

  /** What policies are told of this client. */
  context(receivedAt: number): PolicyContext {
    const connection = this
    return {
      source: this.source,
      authed: this.pubkeys,
      receivedAt,
      get signal() {
        return connection.goneSignal()
      },
    }
  }

  private goneSignal(): AbortSignal {
    if (this.gone) return this.gone.signal
    this.gone = new AbortController()
    if (this.closed) this.gone.abort(GONE)
    return this.gone.signal
  }

  /** NIP-42: goes out before whatever asks for authentication. */
  askToAuthenticate(): void {
    this.send(['AUTH', this.challenge])
  }

  send(message: readonly unknown[]): void {
    this.sendFrame(textFrame(JSON.stringify(message)))
  }

  /** Sends a frame that may be shared with other connections. */
  sendFrame(frame: Buffer): void {
    if (this.closed || this.ws.readyState !== this.ws.OPEN) return
    this.frameBytes += frame.length
    if (this.frames.push(frame) === 1) this.flushLater(this)
    const most = this.maxPendingBytes()
    if (most > 0 && this.pendingBytes > most) this.ws.terminate()
  }

  /** Bytes that wait for the client to read them. */
  get pendingBytes(): number {
    return this.frameBytes + (this.deflates ? this.ws.bufferedAmount : this.socket.writableLength)
  }

  /** Writes what was sent in this turn; whoever owns the connection calls it at the turn's end. */
  flush(): void {
    const { frames } = this
    const [only] = frames
    this.frames = []
    this.frameBytes = 0
    if (!only || this.closed || this.ws.readyState !== this.ws.OPEN) return
    if (this.deflates)
      for (const text of frames.flatMap(payloads)) this.ws.send(text, { binary: false })
    else this.socket.write(frames.length === 1 ? only : Buffer.concat(frames))
  }

  close(code: number, reason: string): void {
    this.flush()
    this.ws.close(code, reason)
  }

  terminate(): void {
    this.ws.terminate()
  }
}
