import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { PolicyContext } from '../plugins/plugin.ts'
import { textFrame } from './frame.ts'
import type { Subscription } from './subscription.ts'

/**
 * One client. What is sent in one turn of the event loop leaves in one write; a client that does not read is
 * cut once `maxPendingBytes` wait for it.
 */
export class Connection {
  readonly ip: string
  /** NIP-42, for the whole life of the connection. */
  readonly challenge = randomBytes(16).toString('hex')
  readonly subscriptions = new Map<string, Subscription>()
  private readonly authed = new Set<string>()
  private readonly ws: WebSocket
  private readonly socket: Duplex
  private readonly maxPendingBytes: number
  private readonly gone = new AbortController()
  private corked = false

  constructor(ws: WebSocket, socket: Duplex, options: { ip: string; maxPendingBytes: number }) {
    this.ws = ws
    this.socket = socket
    this.ip = options.ip
    this.maxPendingBytes = options.maxPendingBytes
    ws.once('close', () => this.gone.abort())
  }

  /** The pubkeys that this connection has proved to hold. */
  get pubkeys(): readonly string[] {
    return [...this.authed]
  }

  get closed(): boolean {
    return this.gone.signal.aborted
  }

  authenticate(pubkey: string): void {
    this.authed.add(pubkey)
  }

  /** What policies are told of this client. */
  context(receivedAt: number): PolicyContext {
    const type = this.ip.includes(':') ? 'IP6' : 'IP4'
    return {
      source: { type, info: this.ip },
      authed: this.pubkeys,
      receivedAt,
      signal: this.gone.signal,
    }
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
    if (!this.corked) {
      this.corked = true
      this.socket.cork()
      setImmediate(() => {
        this.corked = false
        this.socket.uncork()
      })
    }
    this.socket.write(frame)
    if (this.socket.writableLength > this.maxPendingBytes) this.ws.terminate()
  }

  close(code: number, reason: string): void {
    this.ws.close(code, reason)
  }
}
