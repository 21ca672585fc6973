import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { PluginSocket } from '../plugins/plugin.ts'
import type { Config } from './config/config.ts'

/** How long a client may take to answer our close, ms. */
const CLOSE_MS = 2000

/** WebSockets of the relay's port that speak something other than Nostr: accepted and pinged here, read by a plugin. */
export function pluginSockets(options: {
  config: Config
  ipOf(request: IncomingMessage): string
  /** Who serves which path. */
  paths: ReadonlyMap<string, (socket: PluginSocket) => void>
}) {
  const { config, ipOf, paths } = options
  const { maxPendingOutboundBytes, autoPingSeconds } = config.relay
  const wss = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: config.relay.maxWebsocketPayloadSize,
  })
  const open = new Set<WebSocket>()
  let draining = false

  function lend(ws: WebSocket, ip: string, serve: (socket: PluginSocket) => void): void {
    open.add(ws)
    let alive = true
    const ping = setInterval(() => {
      if (!alive) return ws.terminate()
      alive = false
      ws.ping()
    }, autoPingSeconds * 1000)
    ws.on('pong', () => {
      alive = true
    })
    ws.on('error', () => undefined)
    ws.on('close', () => {
      clearInterval(ping)
      open.delete(ws)
    })
    serve({
      ip,
      send(data) {
        if (ws.bufferedAmount > maxPendingOutboundBytes) ws.terminate()
        else ws.send(data)
      },
      close: (code = 1000, reason = '') => ws.close(code, reason),
      onMessage: listener =>
        ws.on('message', (data: Buffer, isBinary: boolean) => {
          alive = true
          if (!draining) listener(data, isBinary)
        }),
      onClose: listener => ws.on('close', listener),
    })
  }

  return {
    /** Takes an upgrade to a path that a plugin serves; false for any other. */
    take(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
      const serve = paths.get((request.url ?? '').replace(/\?.*$/, ''))
      if (serve) wss.handleUpgrade(request, socket, head, ws => lend(ws, ipOf(request), serve))
      return serve !== undefined
    },
    /** Hears no more messages. */
    drain(): void {
      draining = true
    },
    /** Says goodbye; resolves when all are gone. */
    async close(): Promise<void> {
      const gone = [...open].map(
        ws =>
          new Promise<void>(resolve => {
            const timer = setTimeout(() => ws.terminate(), CLOSE_MS)
            ws.once('close', () => {
              clearTimeout(timer)
              resolve()
            })
            ws.close(1001, 'the relay is going down')
          }),
      )
      await Promise.all(gone)
    },
  }
}
