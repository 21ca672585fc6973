import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import type { NostrEvent } from '../../events/index.ts'
import { loadCurve } from '../../relay/curve.ts'
import { createSigner } from '../../relay/signer.ts'
import { connect } from '../harness.ts'

const CONNECTIONS = 4
const UNANSWERED = 20
const IDS_AT_ONCE = 100

const { sign } = createSigner(randomBytes(32), loadCurve())
let made = 0

/** An event that no later one replaces: short and long notes, and addressable ones each with a `d` of its own. */
function nextEvent(): NostrEvent {
  made += 1
  const created_at = Math.floor(Date.now() / 1000)
  const content = `${made} ${'x'.repeat(made % 40 === 0 ? 20_000 : (made * 37) % 300)}`
  return made % 5 === 0
    ? sign({ kind: 30023, created_at, content, tags: [['d', `${made}`]] })
    : sign({ kind: 1, created_at, content, tags: [['t', `${made % 50}`]] })
}

/**
 * Writes as fast as the relay answers, over several connections, and notes in `acknowledged` (in this process, not in
 * the relay's) what it said OK true to, and when (performance.now). Ends by `stop`, or when the relay goes away.
 */
export async function startLoad(url: string, acknowledged: Map<string, number>) {
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const ws = new WebSocket(url)
      await once(ws, 'open')
      const next = () => {
        if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(['EVENT', nextEvent()]))
      }
      ws.on('message', data => {
        const [type, id, ok] = JSON.parse(String(data))
        if (type !== 'OK') return
        if (ok === true) acknowledged.set(id, performance.now())
        setImmediate(next)
      })
      ws.on('error', () => undefined)
      for (let i = 0; i < UNANSWERED; i++) next()
      return ws
    }),
  )
  return {
    async stop(): Promise<void> {
      await Promise.all(
        sockets.map(async ws => {
          if (ws.readyState === WebSocket.CLOSED) return
          const closed = once(ws, 'close')
          ws.terminate()
          await closed
        }),
      )
    },
  }
}

/** Waits until there are `count`; throws when that takes too long. */
export async function grownTo(
  acknowledged: ReadonlyMap<string, number>,
  count: number,
): Promise<void> {
  for (let waited = 0; acknowledged.size < count; waited += 10) {
    if (waited > 20_000) throw new Error(`the relay acknowledged ${acknowledged.size} events only`)
    await sleep(10)
  }
}

/** Those of the ids that the relay does not give. */
export async function missingAt(url: string, ids: Iterable<string>): Promise<string[]> {
  const client = await connect(url)
  const missing = new Set(ids)
  const all = [...missing]
  for (let at = 0; at < all.length; at += IDS_AT_ONCE) {
    const some = all.slice(at, at + IDS_AT_ONCE)
    for (const { id } of await client.req('look', { ids: some, limit: some.length }))
      missing.delete(id)
  }
  client.close()
  return [...missing]
}
