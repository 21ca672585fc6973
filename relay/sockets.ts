import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import type { ClientPace, Visitor } from './client-pace.ts'
import type { Config } from './config/config.ts'
import { Connection } from './connection.ts'
import { endOfTurn } from './end-of-turn.ts'
import { cutLater, goodbye, heartbeat } from './heartbeat.ts'
import { latest } from './latest.ts'
import type { Relay } from './relay.ts'

const SLOW_DOWN = 'rate-limited: messages from your address come too fast, wait a moment'
const TOO_MANY = 'rate-limited: too many connections from your address, close one first'

/** The WebSocket side of the relay's port: accepts, pings, cuts and drains connections. */
export function serveSockets(options: {
  server: Server
  relay: Relay
  /** As it is now: read when it is needed, so that a reload is met. */
  config: Pick<Config, 'relay'>
  ipOf(request: IncomingMessage): string
  pace: ClientPace
  /** Takes an upgrade that is a plugin's; false for a client of the relay. */
  takenByPlugin(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
}) {
  const { server, relay, config, ipOf, pace } = options
  const acceptor = acceptorFor(config, relay => ({
    maxPayload: relay.maxWebsocketPayloadSize,
    perMessageDeflate: deflateBy(relay.compression),
  }))
  const open = new Map<WebSocket, Connection>()
  const answering = new Set<Promise<void>>()
  const flushLater = endOfTurn((connection: Connection) => connection.flush())
  let draining = false

  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (draining) return turnAway(socket, '503 Service Unavailable', 'the relay is going down')
    const ip = ipOf(request)
    const visitor = pace.arrive(ip)
    if (!visitor) return turnAway(socket, '429 Too Many Requests', TOO_MANY)
    socket.once('close', visitor.leave)
    if (options.takenByPlugin(request, socket, head)) return
    acceptor().handleUpgrade(request, socket, head, ws => accept(ws, socket, ip, visitor))
  })

  function accept(ws: WebSocket, socket: Duplex, ip: string, visitor: Visitor): void {
    const connection = new Connection(ws, socket, {
      ip,
      maxPendingBytes: () => config.relay.maxPendingOutboundBytes,
      flushLater,
    })
    open.set(ws, connection)
    if (config.relay.enableTcpKeepalive && socket instanceof Socket) socket.setKeepAlive(true)
    const heard = heartbeat(ws, config.relay.autoPingSeconds)
    /** False once a message is too much: refused, or the last that is heard of this client. */
    const isInTime = (refuse: () => void): boolean => {
      if (draining || ws.readyState !== ws.OPEN) return false
      const verdict = visitor.take()
      if (verdict === 'go') return true
      refuse()
      if (verdict === 'close') {
        connection.close(1008, 'rate-limited: too many messages for too long')
        cutLater(ws)
      }
      return false
    }
    // ws answers them, and cuts who does not read its pongs.
    ws.on('ping', () => void isInTime(() => undefined))
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      heard()
      if (!isInTime(() => relay.refuse(connection, data.toString(), SLOW_DOWN))) return
      if (isBinary) return connection.send(['NOTICE', 'invalid: messages are text, not binary'])
      const answer = relay.receive(connection, data.toString())
      if (!answer) return
      answering.add(answer)
      answer.finally(() => answering.delete(answer))
    })
    // ws has closed with the right code by then: 1007 for bad UTF-8, 1009 for too large a message.
    ws.on('error', () => undefined)
    ws.on('close', () => {
      open.delete(ws)
      relay.drop(connection)
    })
    relay.ask(connection)
  }

  return {
    count: () => open.size,
    /** Bytes that wait, of each client. */
    pending: () => [...open.values()].map(connection => connection.pendingBytes),
    /** Takes no more messages and answers those that came. */
    async drain(): Promise<void> {
      draining = true
      await Promise.allSettled(answering)
    },
    /** Says goodbye to everybody; resolves when all are gone. */
    async close(): Promise<void> {
      const gone = [...open].map(([ws, connection]) =>
        goodbye(ws, (code, reason) => connection.close(code, reason)),
      )
      await Promise.all(gone)
    },
  }
}

/** Answers an upgrade that is not taken. The socket goes too: HTTP's timeouts do not hold for it any more. */
function turnAway(socket: Duplex, status: string, error: string): void {
  const body = JSON.stringify({ error })
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** strfry's `relay.compression`. Without a sliding window no connection keeps what it has compressed before. */
const deflateBy = ({ enabled, slidingWindow }: Config['relay']['compression']) =>
  enabled && {
    serverNoContextTakeover: !slidingWindow,
    clientNoContextTakeover: !slidingWindow,
  }

/** What takes WebSockets; open ones stay as they are where the configuration changes. */
export const acceptorFor = (
  config: Pick<Config, 'relay'>,
  optionsOf: (relay: Config['relay']) => ServerOptions,
): (() => WebSocketServer) =>
  latest(
    () => config.relay,
    relay => new WebSocketServer({ noServer: true, clientTracking: false, ...optionsOf(relay) }),
  )
