import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type Event,
  type EventTemplate,
  finalizeEvent,
  generateSecretKey,
  getPublicKey,
} from 'nostr-tools'
import WebSocket from 'ws'

const ANSWER_MS = 8000

/** A message from the relay: its type and what follows. */
export type Message = [type: string, ...rest: unknown[]]

/** A key and what signs with it. */
export function person(secret = generateSecretKey()) {
  return {
    secret,
    pubkey: getPublicKey(secret),
    sign: (template: Partial<EventTemplate> & { kind: number }): Event => {
      const created_at = Math.floor(Date.now() / 1000)
      const event = finalizeEvent({ created_at, tags: [], content: '', ...template }, secret)
      // Without the symbol by which nostr-tools remembers that it made this one.
      return JSON.parse(JSON.stringify(event))
    },
  }
}
export type Person = ReturnType<typeof person>

/** The answer to EVENT or AUTH. */
export interface Ok {
  readonly accepted: boolean
  readonly msg: string
}

/** What a REQ gave up to EOSE, in the order of arrival. */
export interface Stored {
  readonly events: Event[]
  readonly eose: Message
}

/** Opens a connection; what is heard waits in `inbox` until somebody takes it. */
export async function connect(url: string) {
  const ws = new WebSocket(url)
  const inbox: Message[] = []
  const lookers = new Set<() => void>()
  const failures = new Set<() => void>()
  let challenge: string | undefined
  ws.on('message', data => {
    const message: Message = JSON.parse(String(data))
    if (message[0] === 'AUTH') challenge = String(message[1])
    inbox.push(message)
    for (const look of [...lookers]) look()
  })
  ws.on('error', () => undefined)
  const closed = new Promise<number>(resolve => ws.once('close', resolve))
  ws.once('close', () => {
    for (const fail of [...failures]) fail()
  })
  await once(ws, 'open')

  function next(fits: (message: Message) => boolean, what: string, ms = ANSWER_MS) {
    return new Promise<Message>((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer)
        lookers.delete(look)
        failures.delete(fail)
      }
      const look = () => {
        const at = inbox.findIndex(fits)
        if (at < 0) return
        stop()
        resolve(inbox.splice(at, 1)[0] as Message)
      }
      const fail = () => {
        stop()
        const heard = JSON.stringify(inbox).slice(0, 300)
        const ended = ws.readyState === ws.CLOSED ? ' (the connection is closed)' : ''
        reject(new Error(`no ${what} within ${ms} ms${ended}; heard ${heard}`))
      }
      const timer = setTimeout(fail, ms)
      lookers.add(look)
      failures.add(fail)
      look()
    })
  }

  const raw = (text: string) => ws.send(text)
  const send = (...message: Message) => raw(JSON.stringify(message))
  const about = (id: string, ...types: string[]) => {
    return (message: Message) => types.includes(message[0]) && message[1] === id
  }
  const okOf = async (event: Event): Promise<Ok> => {
    const [, , accepted, msg] = await next(about(event.id, 'OK'), `OK for ${event.id}`)
    assert.equal(typeof accepted, 'boolean', 'the third element of OK is a boolean')
    assert.equal(typeof msg, 'string', 'the fourth element of OK is a text')
    return { accepted: accepted as boolean, msg: msg as string }
  }

  return {
    ws,
    inbox,
    raw,
    send,
    next,
    /** The close code, once the relay has closed. */
    closed,
    /** The newest challenge; waits for one. */
    async challenge(): Promise<string> {
      for (let waited = 0; challenge === undefined && waited < 3000; waited += 20) await pause(20)
      assert.ok(challenge, 'the relay sent no AUTH challenge')
      return challenge
    },
    /** Publishes and gives the OK. */
    publish(event: Event): Promise<Ok> {
      send('EVENT', event)
      return okOf(event)
    },
    /** Publishes what has to be accepted. */
    async store(...events: Event[]): Promise<void> {
      for (const event of events) {
        const { accepted, msg } = await this.publish(event)
        assert.ok(accepted, `a valid event of kind ${event.kind} was refused: ${msg}`)
      }
    },
    /** Publishes what has to be refused with a NIP-01 prefix, which it gives. */
    async refused(event: Event): Promise<string> {
      const { accepted, msg } = await this.publish(event)
      assert.equal(accepted, false, 'this should have been refused')
      const prefix = /^([a-z-]+): ?\S/.exec(msg)?.[1]
      assert.ok(prefix, `a refusal begins with a one-word prefix: "${msg}"`)
      return prefix
    },
    /** Stored events of a REQ, up to EOSE; the subscription stays open. A CLOSED throws. */
    async query(id: string, ...filters: object[]): Promise<Stored> {
      send('REQ', id, ...filters)
      const eose = await next(about(id, 'EOSE', 'CLOSED'), `EOSE for ${id}`)
      assert.equal(eose[0], 'EOSE', `the relay refused: ${eose[2]}`)
      const mine = inbox.filter(about(id, 'EVENT'))
      for (const message of mine) inbox.splice(inbox.indexOf(message), 1)
      return { events: mine.map(message => message[2] as Event), eose }
    },
    /** The ids of a query's events; the subscription is closed after. */
    async ids(...filters: object[]): Promise<string[]> {
      const id = `q${Math.random()}`.slice(0, 12)
      const { events } = await this.query(id, ...filters)
      send('CLOSE', id)
      return events.map(event => event.id)
    },
    /** The reason of the CLOSED (or CLOSED's kin) that has to answer a REQ or COUNT. */
    async closedFor(verb: 'REQ' | 'COUNT', id: string, ...filters: object[]): Promise<string> {
      send(verb, id, ...filters)
      const answer = await next(about(id, 'CLOSED', 'EOSE', 'COUNT'), `CLOSED for ${id}`)
      assert.equal(answer[0], 'CLOSED', `${verb} should have been refused`)
      assert.match(String(answer[2]), /^[a-z-]+: ?\S/, 'CLOSED carries a prefix and a sentence')
      return String(answer[2])
    },
    async count(...filters: object[]): Promise<Record<string, unknown>> {
      const id = `c${Math.random()}`.slice(0, 12)
      send('COUNT', id, ...filters)
      const answer = await next(about(id, 'COUNT', 'CLOSED'), `COUNT for ${id}`)
      assert.equal(answer[0], 'COUNT', `the relay refused: ${answer[2]}`)
      return answer[2] as Record<string, unknown>
    },
    /** The next live event of a subscription. */
    async live(id: string, ms?: number): Promise<Event> {
      return (await next(about(id, 'EVENT'), `live event for ${id}`, ms))[2] as Event
    },
    /** Nothing more came for a subscription: a fence event goes through it, or 300 ms pass. */
    async quiet(id: string, ms = 300): Promise<void> {
      await pause(ms)
      const heard = inbox.filter(about(id, 'EVENT'))
      assert.equal(heard.length, 0, `events that should not have come: ${JSON.stringify(heard)}`)
    },
    /** The connection still answers. */
    async alive(): Promise<void> {
      await this.query('alive', { limit: 0, kinds: [1] })
      send('CLOSE', 'alive')
    },
    /** Answers the challenge as `who`; `change` bends the template. */
    async auth(who: Person, change: Partial<EventTemplate> = {}): Promise<Ok> {
      const tags = [
        ['relay', url],
        ['challenge', await this.challenge()],
      ]
      const event = who.sign({ kind: 22242, tags, ...change })
      send('AUTH', event)
      return okOf(event)
    },
    async login(who: Person): Promise<void> {
      const { accepted, msg } = await this.auth(who)
      assert.ok(accepted, `AUTH was refused: ${msg}`)
    },
    close(): void {
      ws.terminate()
    },
  }
}
export type Client = Awaited<ReturnType<typeof connect>>

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
