import type { Context } from 'hono'
import { z } from 'zod'
import {
  decodeIlpPacket,
  encodeIlpPacket,
  type IlpReply,
  ilpCodes,
  type NostrEvent,
  parseAmount,
  tagValue,
} from '../../../../events/index.ts'
import type { RelayHttp } from '../../../plugin.ts'
import { readCarried } from './carried.ts'
import type { Incoming } from './money.ts'
import type { Peer, Peers } from './peers.ts'
import type { IlpReceiver } from './receiver.ts'

type HttpContext = Context<{ Variables: { ip: string } }>

/** A packet with all its data, in base64 and JSON. */
const MAX_BODY = 65_536

const amountShape = z.union([z.string(), z.int().transform(String)]).transform((text, issue) => {
  const amount = parseAmount(text)
  if (amount !== undefined) return amount
  issue.addIssue('needs to be an integer from 0 to 2^63-1')
  return z.NEVER
})

/** What a connector hands to the application behind it; `sourceAccount` and the rest is its own affair. */
const handed = z.object({
  amount: amountShape,
  destination: z.string(),
  data: z.base64(),
})

/**
 * Interledger on the relay's HTTP port: `POST /ilp` is ILP-over-HTTP (IL-RFC 35, one packet in, its answer out), and
 * `POST /handle-packet` (older: `/handle-payment`) the JSON boundary of ILP-gated relays. Both want a peer's bearer token.
 */
export function ilpRoutes(receive: IlpReceiver, peers: Peers) {
  const peerOf = (c: HttpContext): Peer | undefined => {
    const token = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    return token === undefined ? undefined : peers.of(token)
  }

  /** Who sends it, and that its body has a bound: hono's own limit builds a stream for each request. */
  async function gate(c: HttpContext, answer: (peer: Peer) => Promise<Response>) {
    const peer = peerOf(c)
    if (!peer) return c.json({ error: 'this needs the bearer token of a peer of this relay' }, 401)
    const length = Number(c.req.header('content-length') ?? Number.NaN)
    if (Number.isNaN(length)) return c.json({ error: 'this needs a Content-Length' }, 411)
    if (length > MAX_BODY)
      return c.json({ error: 'a packet carries at most 32767 bytes of data' }, 413)
    return answer(peer)
  }

  async function packet(c: HttpContext, peer: Peer): Promise<Response> {
    const read = decodeIlpPacket(new Uint8Array(await c.req.arrayBuffer()))
    if (!read.ok) return c.json({ error: read.msg }, 400)
    if (read.value.type !== 'prepare')
      return c.json({ error: 'only a PREPARE is sent here, its answer is the response' }, 400)
    const reply = await receive(read.value, peer, c.get('ip'))
    return c.body(Buffer.from(encodeIlpPacket(reply)), 200, {
      'Content-Type': 'application/octet-stream',
      'Cache-Control': 'no-store',
    })
  }

  async function json(c: HttpContext, peer: Peer): Promise<Response> {
    const said = handed.safeParse(await c.req.json().catch(() => undefined))
    if (!said.success) {
      const [issue] = said.error.issues
      const message = `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'is not valid'}`
      return c.json({ accept: false, code: ilpCodes.badRequest, message }, 400)
    }
    const { amount, destination, data } = said.data
    const incoming = { amount, destination, data: Buffer.from(data, 'base64') }
    return c.json(asJson(await receive(incoming, peer, c.get('ip')), incoming))
  }

  return (app: RelayHttp): void => {
    app.post('/ilp', c => gate(c, peer => packet(c, peer)))
    for (const path of ['/handle-packet', '/handle-payment'])
      app.post(path, c => gate(c, peer => json(c, peer)))
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** `data` is the event that answers: 5611, 5613 or 5615; with a refusal the 5614 (or 5615) that explains it. */
function asJson(reply: IlpReply, incoming: Incoming): object {
  const data = base64(reply.data)
  if (reply.type === 'fulfill')
    return { accept: true, fulfillment: base64(reply.fulfillment), data, metadata: {} }
  const { code, message } = reply
  const received = String(incoming.amount)
  const required = code === ilpCodes.insufficientAmount ? leastOf(incoming.data) : undefined
  return { accept: false, code, message, data, metadata: { required, received } }
}

/** The min_receive of the 5612 that a packet carries. */
function leastOf(data: Uint8Array): string | undefined {
  const said = readCarried(data)
  return said.ok ? tagValue(said.value.value as NostrEvent, 'min_receive') : undefined
}
