import { WebSocket } from 'ws'
import type { Connect } from './socket.ts'

/** Sockets for Node 20, which has none of its own. Example: `new RelayClient(url, { connect: connectNode })`. */
export const connectNode: Connect = url => new WebSocket(url)
