import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import type { Config } from './config/config.ts'
import { Connection } from './connection.ts'
import { endOfTurn } from './end-of-turn.ts'
import type { Relay } from './relay.ts'

/** How long a client may take to answer our close, ms. */
const CLOSE_MS = 2000

/** The WebSocket side of the relay's port: accepts, pings, cuts and drains connections. */
export function serveSockets(options: {
  server: Server
  relay: Relay
  /** As it is now: read when it is needed, so that a reload is met. */
  config: Pick<Config, 'relay'>
  ipOf(request: IncomingMessage): string
  /** Takes an upgrade that is a plugin's; false for a client of the relay. */
  takenByPlugin(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
}) {
  const { server, relay, config, ipOf } = options
  const acceptor = perConfig(config, relay => ({
    maxPayload: relay.maxWebsocketPayloadSize,
    perMessageDeflate: deflateBy(relay.compression),
  }))
  const open = new Map<WebSocket, Connection>()
  const answering = new Set<Promise<void>>()
  const flushLater = endOfTurn((connection: Connection) => connection.flush())
  let draining = false

  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (draining) return socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
    if (options.takenByPlugin(request, socket, head)) return
    acceptor().handleUpgrade(request, socket, head, ws => accept(ws, socket, ipOf(request)))
  })

  function accept(ws: WebSocket, socket: Duplex, ip: string): void {
    const connection = new Connection(ws, socket, {
      ip,
      maxPendingBytes: () => config.relay.maxPendingOutboundBytes,
      flushLater,
    })
    open.set(ws, connection)
    if (config.relay.enableTcpKeepalive && socket instanceof Socket) socket.setKeepAlive(true)
    let alive = true
    const ping = every(config.relay.autoPingSeconds, () => {
      if (!alive) return ws.terminate()
      alive = false
      ws.ping()
    })
    ws.on('pong', () => {
      alive = true
    })
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      alive = true
      if (draining) return
      if (isBinary) return connection.send(['NOTICE', 'invalid: messages are text, not binary'])
      const answer = relay.receive(connection, data.toString())
      if (!answer) return
      answering.add(answer)
      answer.finally(() => answering.delete(answer))
    })
    // ws has closed with the right code by then: 1007 for bad UTF-8, 1009 for too large a message.
    ws.on('error', () => undefined)
    ws.on('close', () => {
      clearInterval(ping)
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
      const gone = [...open].map(
        ([ws, connection]) =>
          new Promise<void>(resolve => {
            const timer = setTimeout(() => ws.terminate(), CLOSE_MS)
            ws.once('close', () => {
              clearTimeout(timer)
              resolve()
            })
            connection.close(1001, 'the relay is going down')
          }),
      )
      await Promise.all(gone)
    },
  }
}

/** Runs it every so many seconds; never where that is 0. */
export const every = (seconds: number, run: () => void): NodeJS.Timeout | undefined =>
  seconds > 0 ? setInterval(run, seconds * 1000) : undefined

/** strfry's `relay.compression`. Without a sliding window no connection keeps what it has compressed before. */
const deflateBy = ({ enabled, slidingWindow }: Config['relay']['compression']) =>
  enabled && {
    serverNoContextTakeover: !slidingWindow,
    clientNoContextTakeover: !slidingWindow,
  }

/** What takes WebSockets, made anew where the configuration has changed since; open ones stay as they are. */
export function perConfig(
  config: Pick<Config, 'relay'>,
  optionsOf: (relay: Config['relay']) => ServerOptions,
): () => WebSocketServer {
  let made: WebSocketServer | undefined
  let madeFor: Config['relay'] | undefined
  return () => {
    const { relay } = config
    if (!made || madeFor !== relay)
      made = new WebSocketServer({ noServer: true, clientTracking: false, ...optionsOf(relay) })
    madeFor = relay
    return made
  }
}
