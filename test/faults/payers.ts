import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import WebSocket from 'ws'
import { streamMoneyTemplate, streamOpenTemplate } from '../../client/templates.ts'
import { type EventTemplate, type NostrEvent, streamCloseTemplate } from '../../events/index.ts'
import { loadCurve } from '../../relay/curve.ts'
import { createSigner } from '../../relay/signer.ts'

const curve = loadCurve()
const now = () => Math.floor(Date.now() / 1000)
const UNANSWERED = 3

/** What a payer knows of a session: the highest total that it signed, and the highest that the relay said OK to. */
export interface Paid {
  readonly id: string
  readonly streamId: string
  sequence: bigint
  signed: bigint
  acknowledged: bigint
  closed: boolean
}

/** One viewer's side, written for speed: opens, pays without waiting for each answer, closes, opens the next. */
export function payer(self: string, address: string) {
  const { sign } = createSigner(randomBytes(32), curve)
  const sessions: Paid[] = []
  const sent: NostrEvent[] = []
  const promises = new Map<string, { session: Paid; total: bigint }>()
  let payments = 0

  function make(template: EventTemplate): NostrEvent {
    const event = sign(template)
    sent.push(event)
    return event
  }

  function open(): NostrEvent {
    const streamId = randomBytes(16).toString('hex')
    const rate = { amount: 10n, unit: 'second' } as const
    const terms = { streamId, payee: self, purpose: 'video_access', rate, address } as const
    const event = make(streamOpenTemplate({ ...terms, asset: 'CREDIT', createdAt: now() }))
    sessions.push({
      id: event.id,
      streamId,
      sequence: 0n,
      signed: 0n,
      acknowledged: 0n,
      closed: false,
    })
    return event
  }

  function pay(session: Paid): NostrEvent {
    session.sequence += 1n
    session.signed += BigInt(1 + Math.floor(Math.random() * 5))
    const { id, streamId, sequence, signed: totalSent } = session
    const common = { session: id, streamId, payee: self, address, createdAt: now() }
    const event = make(streamMoneyTemplate({ ...common, sequence, totalSent }))
    promises.set(event.id, { session, total: totalSent })
    return event
  }

  function close(session: Paid): NostrEvent {
    session.closed = true
    const { id, streamId, signed } = session
    const account = { finalSent: signed, finalReceived: signed }
    const whom = { session: id, streamId, to: self, address, reason: 'complete' as const }
    return make(streamCloseTemplate({ ...whom, ...account }, now()))
  }

  function next(): NostrEvent {
    const session = sessions.at(-1)
    if (!session || session.closed) return open()
    return session.sequence > 5n && Math.random() < 0.03 ? close(session) : pay(session)
  }

  return {
    sessions,
    /** All that was ever signed. */
    sent,
    payments: () => payments,

    /** Pays until the relay goes away, with a few events under way at a time. */
    async run(url: string): Promise<void> {
      const ws = new WebSocket(url)
      ws.on('error', () => undefined)
      const gone = once(ws, 'close')
      ws.on('open', () => {
        for (let i = 0; i < UNANSWERED; i++) ws.send(JSON.stringify(['EVENT', next()]))
      })
      ws.on('message', data => {
        const [verb, id, ok] = JSON.parse(String(data))
        if (verb !== 'OK') return
        const promise = ok === true ? promises.get(id) : undefined
        if (promise && promise.total > promise.session.acknowledged)
          promise.session.acknowledged = promise.total
        if (promise) payments += 1
        if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(['EVENT', next()]))
      })
      await gone
    },

    /** Sends these again, in their order, and waits for every answer. */
    async replay(url: string, events: readonly NostrEvent[]): Promise<void> {
      const ws = new WebSocket(url)
      await once(ws, 'open')
      await new Promise<void>((resolve, reject) => {
        let left = events.length
        ws.on('close', () => reject(new Error('the relay went away during a replay')))
        ws.on('message', data => {
          const [verb] = JSON.parse(String(data))
          if (verb === 'OK') left -= 1
          if (left === 0) resolve()
        })
        for (const event of events) ws.send(JSON.stringify(['EVENT', event]))
        if (left === 0) resolve()
      })
      ws.removeAllListeners('close')
      ws.close()
    },
  }
}
