import type { WebSocket } from 'ws'

/** How long a client may take to answer our close, ms. */
const CLOSE_MS = 2000

/**
 * Pings every so many seconds, and cuts off who has said nothing since the last ping; 0 pings nobody. Gives what to call
 * when something is heard.
 */
export function heartbeat(ws: WebSocket, seconds: number): () => void {
  let alive = true
  const heard = () => {
    alive = true
  }
  if (seconds === 0) return heard
  const ping = setInterval(() => {
    if (!alive) return ws.terminate()
    alive = false
    ws.ping()
  }, seconds * 1000)
  ws.on('pong', heard)
  ws.on('close', () => clearInterval(ping))
  return heard
}

/** Cuts the connection where its client does not answer the close that was just sent. */
export function cutLater(ws: WebSocket): void {
  const timer = setTimeout(() => ws.terminate(), CLOSE_MS)
  timer.unref()
  ws.once('close', () => clearTimeout(timer))
}

/** Says goodbye with `close`; resolves once the connection is gone, by its client's answer or without it. */
export function goodbye(ws: WebSocket, close: (code: number, reason: string) => void) {
  return new Promise<void>(resolve => {
    ws.once('close', () => resolve())
    close(1001, 'the relay is going down')
    cutLater(ws)
  })
}
