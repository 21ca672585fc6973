import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { PluginSocket } from '../plugins/plugin.ts'
import type { Config } from './config/config.ts'
import { acceptorFor, every } from './sockets.ts'

/** How long a client may take to answer our close, ms. */
const CLOSE_MS = 2000

/** WebSockets of the relay's port that speak something other than Nostr: accepted and pinged here, read by a plugin. */
export function pluginSockets(options: {
  /** As it is now: read when it is needed, so that a reload is met. */
  config: Pick<Config, 'relay'>
  ipOf(request: IncomingMessage): string
  /** Who serves which path now. */
  paths(): ReadonlyMap<string, (socket: PluginSocket) => void>
}) {
  const { config, ipOf, paths } = options
  const acceptor = acceptorFor(config, relay => ({ maxPayload: relay.maxWebsocketPayloadSize }))
  const open = new Map<WebSocket, (socket: PluginSocket) => void>()
  let draining = false

  function lend(ws: WebSocket, ip: string, serve: (socket: PluginSocket) => void): void {
    open.set(ws, serve)
    let alive = true
    const ping = every(config.relay.autoPingSeconds, () => {
      if (!alive) return ws.terminate()
      alive = false
      ws.ping()
    })
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
        const { maxPendingOutboundBytes: most } = config.relay
        if (most > 0 && ws.bufferedAmount > most) ws.terminate()
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
      const serve = paths().get((request.url ?? '').replace(/\?.*$/, ''))
      if (serve)
        acceptor().handleUpgrade(request, socket, head, ws => lend(ws, ipOf(request), serve))
      return serve !== undefined
    },
    /** Hears no more messages. */
    drain(): void {
      draining = true
    },
    /** The plugins were loaded anew: who was served by one that is not there any more may come again (1012). */
    reloaded(): void {
      const served = new Set(paths().values())
      for (const [ws, serve] of open)
        if (!served.has(serve)) ws.close(1012, 'this service was loaded anew, connect again')
    },
    /** Says goodbye; resolves when all are gone. */
    async close(): Promise<void> {
      const gone = [...open.keys()].map(
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
