import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { PluginSocket } from '../plugins/plugin.ts'
import type { Config } from './config/config.ts'
import { goodbye, heartbeat } from './heartbeat.ts'
import { acceptorFor } from './sockets.ts'

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
    const heard = heartbeat(ws, config.relay.autoPingSeconds)
    ws.on('error', () => undefined)
    ws.on('close', () => open.delete(ws))
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
          heard()
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
      await Promise.all(
        [...open.keys()].map(ws => goodbye(ws, (code, reason) => ws.close(code, reason))),
      )
    },
  }
}
