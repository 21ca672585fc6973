import { createHash, randomBytes } from 'node:crypto'
import { kinds, type NostrEvent } from '../../events/index.ts'
import { loadCurve } from '../../relay/curve.ts'
import { createSigner } from '../../relay/signer.ts'
import { Wire } from '../bench/relay/wire.ts'

const AUTHORS = 50
const WRITERS = 4
const SUBSCRIBERS = 60
/** Connections that come and go, a second; each stays for some seconds. */
const CHURN_PER_SECOND = 3
const STAY_MS = 5000
/** Events live so long; so the database has a size that it keeps. */
const LIFETIME_SECONDS = 120

/** What has happened since the load began. */
export interface Tally {
  accepted: number
  delivered: number
  answers: number
  connections: number
  /** Refusals by their sentence. */
  readonly refused: Map<string, number>
}

/**
 * A mixed load: `eventsPerSecond` of several kinds, most of them replaced or expired after a while, and beside it
 * REQs, live subscriptions, COUNT, search, NEG and connections that come and go. Ends with `stop`.
 */
export async function startLoad(url: string, eventsPerSecond: number) {
  const curve = loadCurve()
  const signers = Array.from({ length: AUTHORS }, () => createSigner(randomBytes(32), curve))
  const streamer = createSigner(randomBytes(32), curve)
  const room = `${kinds.LiveStream}:${streamer.self}:soak`
  const tally: Tally = { accepted: 0, delivered: 0, answers: 0, connections: 0, refused: new Map() }
  const timers: NodeJS.Timeout[] = []
  const guests = new Set<Wire>()
  let made = 0

  const now = () => Math.floor(Date.now() / 1000)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T
  const every = (ms: number, work: () => void) => timers.push(setInterval(work, ms))

  function hear(bytes: Buffer): void {
    const text = bytes.toString('latin1', 0, 200)
    if (text.startsWith('["EVENT"')) tally.delivered += 1
    else if (text.startsWith('["OK"') && text.includes(',true,')) tally.accepted += 1
    else if (/^\["(OK|CLOSED|NOTICE|NEG-ERR)"/.test(text)) {
      const why = /"([a-z-]+: [^"]*)"\]?$/.exec(text)?.[1] ?? text
      tally.refused.set(why, (tally.refused.get(why) ?? 0) + 1)
    } else tally.answers += 1
  }
  async function open(): Promise<Wire> {
    const wire = await Wire.open(url)
    wire.onText = hear
    tally.connections += 1
    return wire
  }

  function nextEvent(): NostrEvent {
    made += 1
    const { sign } = pick(signers)
    const created_at = now()
    const brief = ['expiration', `${created_at + LIFETIME_SECONDS}`]
    const content = `soak ${made} ${'word '.repeat(made % 40)}`
    const share = made % 20
    if (share < 8)
      return sign({ kind: 1, created_at, content, tags: [brief, ['t', `${made % 50}`]] })
    if (share < 11)
      return sign({
        kind: kinds.LiveChat,
        created_at,
        content,
        tags: [['a', room, '', 'root'], brief],
      })
    if (share < 13) {
      const id = createHash('sha256').update(`${made}`).digest('hex')
      return sign({ kind: 7, created_at, content: '+', tags: [['e', id], brief] })
    }
    if (share < 15)
      return sign({ kind: 0, created_at, content: `{"name":"soak ${made}"}`, tags: [] })
    if (share < 17)
      return sign({
        kind: 30_023,
        created_at,
        content,
        tags: [
          ['d', `${made % 10}`],
          ['title', content],
        ],
      })
    if (share < 19) return sign({ kind: 20_001, created_at, content, tags: [] })
    return sign({ kind: 1, created_at, content: `stays ${made}`, tags: [] })
  }

  // 1. Who is there from the beginning to the end.
  const writers = await Promise.all(Array.from({ length: WRITERS }, open))
  const reader = await open()
  const announcement = {
    kind: kinds.LiveStream,
    tags: [
      ['d', 'soak'],
      ['title', 'Soak'],
      ['status', 'planned'],
      ['starts', `${now() + 86_400}`],
    ],
  }
  const announce = () =>
    writers[0]?.send(
      JSON.stringify(['EVENT', streamer.sign({ ...announcement, created_at: now(), content: '' })]),
    )
  announce()
  const live = [
    { kinds: [1], limit: 5 },
    { '#a': [room], limit: 50 },
    { authors: signers.slice(0, 10).map(signer => signer.self), limit: 5 },
    { '#t': ['1', '2', '3'], limit: 5 },
  ]
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const wire = await open()
    wire.send(JSON.stringify(['REQ', 'live', live[i % live.length]]))
  }

  // 2. Writers, in even steps.
  every(60_000, announce)
  let owed = 0
  every(100, () => {
    for (owed += eventsPerSecond / 10; owed >= 1; owed -= 1)
      pick(writers).send(JSON.stringify(['EVENT', nextEvent()]))
  })

  // 3. Questions of each kind.
  let question = 0
  const ask = (verb: string, filter: object, ...more: unknown[]) => {
    const id = `q${question++ % 50}`
    reader.send(JSON.stringify([verb, id, filter, ...more]))
    const close = verb === 'NEG-OPEN' ? 'NEG-CLOSE' : verb === 'REQ' ? 'CLOSE' : undefined
    if (close) setTimeout(() => reader.send(JSON.stringify([close, id])), 500).unref()
  }
  every(100, () => ask('REQ', { ...pick(live), limit: 50 }))
  every(700, () => ask('REQ', { kinds: [0, 30_023], authors: [pick(signers).self] }))
  every(1000, () => ask('COUNT', { kinds: [1], since: now() - 600 }))
  every(1000, () => ask('REQ', { search: `soak ${made - 20}`, limit: 10 }))
  every(5000, () => ask('NEG-OPEN', { kinds: [1], since: now() - 600 }, '6100000200'))

  // 4. Guests.
  every(1000 / CHURN_PER_SECOND, () => {
    open().then(
      wire => {
        guests.add(wire)
        wire.send(JSON.stringify(['REQ', 'guest', { kinds: [1], limit: 20 }]))
        setTimeout(() => {
          guests.delete(wire)
          wire.close()
        }, Math.random() * STAY_MS).unref()
      },
      error => tally.refused.set(String(error), (tally.refused.get(String(error)) ?? 0) + 1),
    )
  })

  return {
    tally,
    stop(): void {
      for (const timer of timers) clearInterval(timer)
      for (const wire of guests) wire.close()
    },
  }
}
