import {
  concatBytes,
  decodeIlpPacket,
  encodeIlpPacket,
  fromUtf8,
  OerError,
  oerReader,
  uint32,
  utf8,
  varOctets,
} from '../../../../events/index.ts'
import type { PluginSocket } from '../../../plugin.ts'
import type { Peer, Peers } from './peers.ts'
import type { IlpReceiver } from './receiver.ts'

const RESPONSE = 1
const ERROR = 2
const MESSAGE = 6

const OCTETS = 0

/** How long a new connection may take to say who it is, ms. */
const AUTH_MS = 5000
/** Packets of one connection that wait for their answer. */
const MAX_WAITING = 1000

interface Part {
  readonly name: string
  readonly data: Uint8Array
}

/** A BTP message as far as it matters here (IL-RFC 23). */
export interface BtpMessage {
  readonly type: number
  readonly requestId: number
  /** Of a MESSAGE; other types are not looked into. */
  readonly parts: readonly Part[]
}

/** Reads a BTP message; throws `OerError`. */
export function readBtp(bytes: Uint8Array): BtpMessage {
  const reader = oerReader(bytes)
  const type = reader.byte()
  const requestId = reader.uint32()
  const inside = oerReader(reader.varOctets())
  reader.end()
  const parts: Part[] = []
  if (type !== MESSAGE) return { type, requestId, parts }
  const count = inside.varOctets().reduce((sum, digit) => sum * 256 + digit, 0)
  for (let i = 0; i < count; i++) {
    const name = fromUtf8(inside.varOctets())
    inside.byte()
    parts.push({ name, data: inside.varOctets() })
  }
  inside.end()
  return { type, requestId, parts }
}

const frame = (type: number, requestId: number, ...body: Uint8Array[]): Uint8Array =>
  concatBytes(Uint8Array.of(type), uint32(requestId), varOctets(concatBytes(...body)))

const partList = (parts: readonly Part[]): Uint8Array =>
  concatBytes(
    varOctets(Uint8Array.of(parts.length)),
    ...parts.map(({ name, data }) =>
      concatBytes(varOctets(utf8(name)), Uint8Array.of(OCTETS), varOctets(data)),
    ),
  )

/** A RESPONSE with at most 255 parts. */
export const btpResponse = (requestId: number, parts: readonly Part[]): Uint8Array =>
  frame(RESPONSE, requestId, partList(parts))

/** An ERROR that says what was wrong with a request. */
export function btpError(requestId: number, text: string, nowMs: number): Uint8Array {
  const at = new Date(nowMs).toISOString().replace(/[-:T]/g, '')
  return frame(
    ERROR,
    requestId,
    utf8('F00'),
    varOctets(utf8('NotAcceptedError')),
    varOctets(utf8(at)),
    varOctets(utf8(text)),
    partList([]),
  )
}

/**
 * BTP on a WebSocket of the relay's port: a peer names itself by its token, then each MESSAGE with an ILP packet gets a
 * RESPONSE with its answer. Transfers are not taken: peers settle what they owe elsewhere.
 */
export function btpServer(receive: IlpReceiver, peers: Peers, now: () => number) {
  return (socket: PluginSocket): void => {
    let peer: Peer | undefined
    let waiting = 0
    const late = setTimeout(() => socket.close(1008, 'no auth message came'), AUTH_MS)
    socket.onClose(() => clearTimeout(late))
    socket.onMessage((bytes, isBinary) => {
      const message = isBinary ? read(bytes) : undefined
      if (!message) return socket.close(1003, 'this is not BTP')
      if (!peer) return authenticate(message)
      if (message.type === MESSAGE) void answer(message, peer)
      else if (message.type !== RESPONSE && message.type !== ERROR)
        socket.send(btpError(message.requestId, 'only messages are taken here', now()))
    })

    function authenticate({ type, requestId, parts }: BtpMessage): void {
      const token = parts.find(part => part.name === 'auth_token')
      peer = type === MESSAGE && token ? peers.of(Buffer.from(token.data).toString()) : undefined
      if (!peer) {
        socket.send(btpError(requestId, 'this is not the token of a peer', now()))
        return socket.close(1008, 'not authenticated')
      }
      clearTimeout(late)
      socket.send(btpResponse(requestId, []))
    }

    async function answer({ requestId, parts }: BtpMessage, from: Peer): Promise<void> {
      const ilp = parts.find(part => part.name === 'ilp')
      if (!ilp) return socket.send(btpResponse(requestId, []))
      const packet = decodeIlpPacket(ilp.data)
      if (!packet.ok || packet.value.type !== 'prepare' || waiting >= MAX_WAITING) {
        const why = packet.ok ? 'only so many PREPAREs at a time are taken here' : packet.msg
        return socket.send(btpError(requestId, why, now()))
      }
      waiting += 1
      const reply = await receive(packet.value, from, socket.ip)
      waiting -= 1
      socket.send(btpResponse(requestId, [{ name: 'ilp', data: encodeIlpPacket(reply) }]))
    }
  }
}

function read(bytes: Uint8Array): BtpMessage | undefined {
  try {
    return readBtp(bytes)
  } catch (error) {
    if (error instanceof OerError) return undefined
    throw error
  }
}
