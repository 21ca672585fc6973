import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/**
 * A WebSocket client (RFC 6455) that costs next to nothing, so that the relay is what is measured: no extensions,
 * whole text frames only, an all-zero mask. `onText` gets each message's bytes, which are gone after the call.
 */
export class Wire {
  onText: (bytes: Buffer) => void = () => undefined
  private readonly socket: Socket
  private rest: Buffer | undefined

  private constructor(socket: Socket) {
    this.socket = socket
  }

  static open(url: string): Promise<Wire> {
    const { hostname, port, host } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      const wire = new Wire(socket)
      let head = Buffer.alloc(0)
      const shake = (data: Buffer) => {
        head = Buffer.concat([head, data])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        socket.off('data', shake)
        if (!head.toString('latin1', 0, end).startsWith('HTTP/1.1 101'))
          return reject(new Error(`${url} refuses WebSocket connections`))
        socket.on('data', data => wire.read(data))
        resolve(wire)
        wire.read(head.subarray(end + 4))
      }
      socket.on('data', shake)
      socket.once('error', reject)
      const key = randomBytes(16).toString('base64')
      socket.write(
        `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      )
    })
  }

  static async openMany(url: string, count: number): Promise<Wire[]> {
    const wires: Wire[] = []
    while (wires.length < count) {
      const some = Math.min(50, count - wires.length)
      wires.push(...(await Promise.all(Array.from({ length: some }, () => Wire.open(url)))))
    }
    return wires
  }

  private read(data: Buffer): void {
    let all = this.rest ? Buffer.concat([this.rest, data]) : data
    this.rest = undefined
    while (all.length >= 2) {
      const short = (all[1] ?? 0) & 127
      const header = short < 126 ? 2 : short === 126 ? 4 : 10
      if (all.length < header) break
      const length =
        short < 126 ? short : short === 126 ? all.readUInt16BE(2) : Number(all.readBigUInt64BE(2))
      if (all.length < header + length) break
      if (((all[0] ?? 0) & 15) === 1) this.onText(all.subarray(header, header + length))
      all = all.subarray(header + length)
    }
    if (all.length > 0) this.rest = all
  }

  send(text: string): void {
    this.socket.write(frame(text))
  }

  /** Leaves no TIME_WAIT behind: thousands of connections in one run. */
  close(): void {
    this.socket.resetAndDestroy()
  }
}

function frame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 6 : length < 65_536 ? 8 : 14
  const bytes = Buffer.alloc(header + length)
  bytes[0] = 0x81
  bytes[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (header === 8) bytes.writeUInt16BE(length, 2)
  if (header === 14) bytes.writeBigUInt64BE(BigInt(length), 2)
  bytes.write(text, header)
  return bytes
}
