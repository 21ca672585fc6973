/**
 * A hop on ILP-over-HTTP as a process of its own, honest or not: `node --import tsx ilp-hop-child.ts <upstream> <token>`.
 * Prints its URL. `POST /mode` sets what it does with the next packets that bring money; the others pass.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as Ilp from 'ilp-packet'

const [upstream = '', token = ''] = process.argv.slice(2)
let mode = 'honest'
/** What came last, for a replay, and what was swallowed, for later. */
let last: Buffer = Buffer.alloc(0)
let held: Buffer = Buffer.alloc(0)

const read = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

async function forward(packet: Buffer): Promise<Buffer> {
  const response = await fetch(upstream, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(packet),
  })
  if (!response.ok) throw new Error(`upstream: ${response.status} ${await response.text()}`)
  return Buffer.from(await response.arrayBuffer())
}

/** The answer, or undefined to hang up without one. */
async function pass(packet: Buffer): Promise<Buffer | undefined> {
  const prepare = Ilp.deserializeIlpPrepare(packet)
  if (prepare.amount === '0') return forward(packet)
  last = packet
  switch (mode) {
    case 'shave': {
      const amount = String((BigInt(prepare.amount) * 9n) / 10n)
      return forward(Ilp.serializeIlpPrepare({ ...prepare, amount }))
    }
    case 'replay': {
      const [first] = await Promise.all([forward(packet), forward(packet), forward(packet)])
      await forward(packet)
      return first
    }
    case 'delay':
      await sleep(prepare.expiresAt.getTime() - Date.now() + 100)
      return forward(packet)
    case 'drop':
      await forward(packet)
      return undefined
    case 'swallow':
      held = packet
      return undefined
    default:
      return forward(packet)
  }
}

const server = createServer(async (request, response) => {
  const body = await read(request)
  if (request.url === '/mode') {
    mode = body.toString()
    return response.end('ok')
  }
  if (request.url === '/replay') return response.end(await forward(last))
  if (request.url === '/release') return response.end(await forward(held))
  const answer = await pass(body).catch(error => {
    console.error(error)
    return undefined
  })
  if (answer) response.end(answer)
  else request.socket.destroy()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
