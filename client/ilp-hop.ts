import {
  decodeIlpPacket,
  encodeIlpPacket,
  type IlpFulfill,
  type IlpPrepare,
  type IlpReply,
} from '../events/index.ts'
import { IlpRejected, IlpUncertain } from './errors.ts'
import { sha256, toHex } from './ilp-condition.ts'

/** The first hop: takes a PREPARE and gives its answer, both as bytes. Rejects when it does not know. */
export type IlpHop = (prepare: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>

/**
 * A hop that speaks ILP-over-HTTP (IL-RFC 35): a connector, or the relay itself.
 *
 * Example: `const hop = ilpOverHttp({ url: 'http://127.0.0.1:7777/ilp', token })`.
 */
export function ilpOverHttp({ url, token }: { url: string; token: string }): IlpHop {
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/octet-stream',
    Accept: 'application/octet-stream',
  }
  return async (prepare, signal) => {
    const body = new Uint8Array(prepare)
    const response = await fetch(url, { method: 'POST', headers, body, signal })
    if (!response.ok) throw new Error(`ILP-over-HTTP: ${response.status} ${await response.text()}`)
    return new Uint8Array(await response.arrayBuffer())
  }
}

/** How long after its expiry a packet's answer may still be on its way back, ms. */
const LATE_MS = 1000

/**
 * Sends one packet and gives its FULFILL. Throws `IlpUncertain` when no answer came in time, or one that is no proof;
 * gives the REJECT as it is.
 */
export async function sendPacket(
  hop: IlpHop,
  packet: Omit<IlpPrepare, 'type' | 'expiresAt'> & { timeoutMs: number },
): Promise<IlpReply> {
  const { timeoutMs, ...rest } = packet
  const prepare: IlpPrepare = { type: 'prepare', expiresAt: Date.now() + timeoutMs, ...rest }
  const signal = AbortSignal.timeout(timeoutMs + LATE_MS)
  const bytes = await hop(encodeIlpPacket(prepare), signal).catch((cause: unknown) => {
    throw new IlpUncertain(cause)
  })
  const read = decodeIlpPacket(bytes)
  if (!read.ok || read.value.type === 'prepare') throw new IlpUncertain()
  if (read.value.type === 'fulfill' && !(await fulfils(read.value, packet.condition)))
    throw new IlpUncertain()
  return read.value
}

async function fulfils({ fulfillment }: IlpFulfill, condition: Uint8Array): Promise<boolean> {
  return toHex(await sha256(fulfillment)) === toHex(condition)
}

/** The FULFILL, or the REJECT as an error. */
export function orRejected(reply: IlpReply): IlpFulfill {
  if (reply.type === 'fulfill') return reply
  throw new IlpRejected(reply.code, reply.message)
}
