import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AmfValue, encodeAmf } from '../../plugins/live-stream/local/rtmp/amf.ts'
import { writeMessage } from '../../plugins/live-stream/local/rtmp/chunks.ts'

/** A client that speaks just enough; what the server says is kept as text. */
export async function client(port: number) {
  const socket: Socket = connect(port, '127.0.0.1')
  let heard = Buffer.alloc(0)
  socket.on('data', chunk => {
    heard = Buffer.concat([heard, chunk])
  })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const command = (...values: AmfValue[]) =>
    socket.write(writeMessage(3, 20, 0, encodeAmf(...values), 128))
  return {
    socket,
    heard: () => heard.toString('latin1'),
    shake: async () => {
      socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536, 1)]))
      while (heard.length < 1 + 2 * 1536) await sleep(5)
      socket.write(heard.subarray(1, 1537))
    },
    command,
    publish(key: string) {
      command('connect', 1, { app: 'live' })
      command('releaseStream', 2, null, key)
      command('createStream', 4, null)
      command('publish', 5, null, key, 'live')
    },
    /** Resolves when the server has said `text`. */
    hears: async (text: string) => {
      while (!heard.includes(text)) await sleep(5)
    },
    media: (type: 8 | 9, timestamp: number, payload: Buffer) => {
      const bytes = writeMessage(type === 8 ? 5 : 6, type, 1, payload, 128)
      bytes.writeUIntBE(timestamp, 1, 3)
      socket.write(bytes)
    },
    gone: () => (socket.destroyed ? Promise.resolve([]) : once(socket, 'close')),
  }
}
