import { createServer, type Socket } from 'node:net'
import { RtmpSession, type SessionHooks } from './session.ts'

const MAX_CONNECTIONS = 500
/** Of one address, that have no accepted key yet: one stranger must not keep the publishers out. */
const MAX_STRANGERS = 50

/** Listens for publishers. RTMPS is a tls.Server that hands its sockets to `serve`. */
export async function rtmpServer(options: {
  bind: string
  port: number
  idleMs: number
  hooks: SessionHooks
}) {
  const sessions = new Set<RtmpSession>()
  const hooks: SessionHooks = {
    accept: options.hooks.accept,
    closed(session, cause) {
      sessions.delete(session)
      options.hooks.closed(session, cause)
    },
  }
  const serve = (socket: Socket): void => {
    const { remoteAddress = '' } = socket
    const isStranger = (one: RtmpSession) => one.remote === remoteAddress && !one.publishing
    const strangers = [...sessions].filter(isStranger).length
    if (sessions.size >= MAX_CONNECTIONS || strangers >= MAX_STRANGERS) {
      socket.destroy()
      return
    }
    sessions.add(new RtmpSession(socket, { idleMs: options.idleMs, hooks }))
  }
  const server = createServer(serve)
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const text = `RTMP cannot listen on ${options.bind}:${options.port}: is another server there?`
      reject(new Error(text, { cause: error }))
    })
    server.listen(options.port, options.bind, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    serve,
    async close(): Promise<void> {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const session of [...sessions]) session.end('the relay is going down')
      await closed
    },
  }
}
