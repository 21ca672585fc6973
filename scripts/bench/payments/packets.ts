import { createHash, createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import {
  decodeIlpPacket,
  encodeIlpPacket,
  freeFulfillmentText,
  type IlpReply,
  moneyFulfillmentText,
  type NostrEvent,
  tagValue,
  utf8,
} from '../../../events/index.ts'
import type { Pay } from './load.ts'
import { payer } from './payer.ts'

export interface Endpoint {
  readonly url: string
  readonly token: string
  readonly destination: string
}

/** As a connector would: a few connections that stay. */
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
export const hangUp = (): void => agent.destroy()

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest()

/** Opens a session by packets; its lane pays one unit and reads the FULFILL with its 5613. */
export async function overIlp(to: Endpoint, self: string, address: string): Promise<{ pay: Pay }> {
  const who = payer(self, address)
  const free = sha256(sha256(freeFulfillmentText(who.open.id)))
  const opened = await send(to, who.open, 0n, free)
  if (opened.type !== 'fulfill') throw new Error(`${opened.code}: ${opened.message}`)
  const accept = JSON.parse(Buffer.from(opened.data).toString()) as NostrEvent
  const secret = Buffer.from(who.decrypt(tagValue(accept, 'shared_secret') ?? ''), 'hex')
  return {
    async pay() {
      const { event, sequence } = who.money()
      const text = moneyFulfillmentText(who.streamId, sequence)
      const condition = sha256(createHmac('sha256', secret).update(text).digest())
      const reply = await send(to, event, 1n, condition)
      if (reply.type !== 'fulfill') throw new Error(`${reply.code}: ${reply.message}`)
    },
  }
}

async function send(
  { url, token, destination }: Endpoint,
  event: NostrEvent,
  amount: bigint,
  condition: Buffer,
): Promise<IlpReply> {
  const data = utf8(JSON.stringify(event))
  const expiresAt = Date.now() + 20_000
  const prepare = { type: 'prepare', amount, expiresAt, condition, destination, data } as const
  const read = decodeIlpPacket(await post(url, token, encodeIlpPacket(prepare)))
  if (!read.ok || read.value.type === 'prepare') throw new Error('this is no answer')
  return read.value
}

/** node:http, because fetch costs more than the payment does. */
function post(url: string, token: string, body: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/octet-stream',
      'content-length': body.length,
    }
    const call = request(url, { method: 'POST', agent, headers }, response => {
      const parts: Buffer[] = []
      response.on('data', part => parts.push(part))
      response.on('end', () => {
        const whole = Buffer.concat(parts)
        if (response.statusCode === 200) resolve(whole)
        else reject(new Error(`HTTP ${response.statusCode}: ${whole}`))
      })
    })
    call.on('error', reject)
    call.end(body)
  })
}
