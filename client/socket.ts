/** The part of a WebSocket that the SDK needs; a browser's and the `ws` package's both fit. */
export interface Socket {
  readonly readyState: number
  send(data: string): void
  close(): void
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
}

/** Opens a socket to a ws:// or wss:// URL. */
export type Connect = (url: string) => Socket

/** The platform's own WebSocket: browsers, and Node from 22 on. On Node 20 pass `connectNode` of client/node.ts. */
export const connectGlobal: Connect = url => new WebSocket(url)
