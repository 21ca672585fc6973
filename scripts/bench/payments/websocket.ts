import { once } from 'node:events'
import { WebSocket } from 'ws'
import { kinds, type NostrEvent } from '../../../events/index.ts'
import type { Pay } from './load.ts'
import { type Payer, payer } from './payer.ts'

/** A viewer's connection that has authenticated and hears the payee. */
async function connected(url: string, who: Payer) {
  const ws = new WebSocket(url)
  const waiting = new Map<string, (event: NostrEvent) => void>()
  const answered = new Map<string, (message: unknown[]) => void>()
  const next = (key: string) => new Promise<unknown[]>(resolve => answered.set(key, resolve))
  ws.on('message', data => {
    const message = JSON.parse(String(data)) as [string, string, NostrEvent]
    if (message[0] === 'EVENT') {
      const event = message[2]
      const about = event.tags.find(tag => tag[0] === 'e')?.[1]
      return waiting.get(`${event.kind} ${about}`)?.(event)
    }
    if (message[0] === 'OK' && (message as unknown[])[2] !== true)
      throw new Error(`refused: ${message[2]} ${(message as unknown[])[3]}`)
    answered.get(message[0] === 'AUTH' ? 'AUTH' : `${message[0]} ${message[1]}`)?.(message)
  })
  const challenge = next('AUTH')
  await once(ws, 'open')
  const auth = who.auth(url, String((await challenge)[1]))
  const welcome = next(`OK ${auth.id}`)
  ws.send(JSON.stringify(['AUTH', auth]))
  await welcome
  const listening = next('EOSE all')
  const answers = [kinds.StreamAccept, kinds.StreamReceipt, kinds.AccessGrant]
  ws.send(JSON.stringify(['REQ', 'all', { kinds: answers, '#p': [who.pubkey] }]))
  await listening
  return {
    send: (event: NostrEvent) => ws.send(JSON.stringify(['EVENT', event])),
    /** The next event of that kind about the event of that id. */
    heard(kind: number, about: string): Promise<NostrEvent> {
      const key = `${kind} ${about}`
      return new Promise(resolve =>
        waiting.set(key, event => {
          waiting.delete(key)
          resolve(event)
        }),
      )
    },
    close: () => ws.terminate(),
  }
}

/** Opens a session over a WebSocket of its own; its lane pays one unit and waits for the receipt. */
export async function overWebSocket(url: string, self: string, address: string) {
  const who = payer(self, address)
  const line = await connected(url, who)
  const accepted = line.heard(kinds.StreamAccept, who.open.id)
  line.send(who.open)
  await accepted
  const pay: Pay = async () => {
    const { event } = who.money()
    const receipt = line.heard(kinds.StreamReceipt, event.id)
    line.send(event)
    await receipt
  }
  return { pay, close: line.close }
}

/** How long from a 5610 to the first grant, paid at once, ms. */
export async function firstGrant(url: string, self: string, address: string): Promise<number> {
  const who = payer(self, address)
  const line = await connected(url, who)
  const accepted = line.heard(kinds.StreamAccept, who.open.id)
  const grant = line.heard(kinds.AccessGrant, who.open.id)
  const began = performance.now()
  line.send(who.open)
  await accepted
  line.send(who.money().event)
  await grant
  const ms = performance.now() - began
  line.close()
  return ms
}
