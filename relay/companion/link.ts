import WebSocket from 'ws'
import { type EventTemplate, type Filter, kinds, type NostrEvent } from '../../events/index.ts'
import type { Logger } from '../../plugins/plugin.ts'

const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 15_000
const ANSWER_MS = 15_000
const PING_MS = 30_000
/** Relays send their challenge with the connection, or never. */
const CHALLENGE_MS = 500

export interface Ok {
  readonly ok: boolean
  readonly msg: string
}
interface Request {
  readonly filters: readonly Filter[]
  onEvent(event: NostrEvent): void
  onEose(): void
  onClosed(msg: string): void
}

/**
 * The connection to strfry, kept: comes back with backoff, authenticates as the relay's own key. What was under way
 * when it is lost rejects; `onReady` says that it may be asked (anew), after AUTH where there is one.
 */
export function createLink(options: {
  url: string
  /** What AUTH events name: the relay's public URL. */
  authUrl(): string
  sign(template: EventTemplate): NostrEvent
  log: Logger
  onReady(): void
  onLost(): void
}) {
  const { url, sign, log } = options
  const requests = new Map<string, Request>()
  const answers = new Map<string, { resolve(ok: Ok): void; reject(error: Error): void }>()
  let ws: WebSocket | undefined
  let open = false
  let challenge: string | undefined
  let authenticated: Promise<boolean> | undefined
  let attempt = 0
  let retry: NodeJS.Timeout | undefined
  let closed = false
  let count = 0
  connect()

  function connect(): void {
    const socket = new WebSocket(url, { handshakeTimeout: ANSWER_MS, maxPayload: 1 << 24 })
    let alive = true
    const ping = setInterval(() => {
      if (!alive) return socket.terminate()
      alive = false
      if (socket.readyState === socket.OPEN) socket.ping()
    }, PING_MS)
    ws = socket
    socket.on('pong', () => {
      alive = true
    })
    socket.on('open', () => {
      open = true
      setTimeout(() => {
        if (socket !== ws || !open || authenticated) return
        attempt = 0
        options.onReady()
      }, CHALLENGE_MS)
    })
    socket.on('message', (data, isBinary) => {
      alive = true
      if (!isBinary) hear(String(data))
    })
    // An error is followed by a close, which is where it is answered.
    socket.on('error', error => log.debug({ url, cause: error.message }, 'the relay is not there'))
    socket.on('close', () => {
      clearInterval(ping)
      lost()
    })
  }

  function lost(): void {
    if (open) log.warn({ url }, 'the connection to the relay is lost, trying again')
    open = false
    challenge = undefined
    authenticated = undefined
    requests.clear()
    for (const { reject } of answers.values()) reject(new Error('the connection was lost'))
    answers.clear()
    options.onLost()
    if (closed) return
    const delay = Math.min(FIRST_RETRY_MS * 2 ** attempt, LONGEST_RETRY_MS)
    attempt += 1
    retry = setTimeout(connect, delay * (0.5 + Math.random()))
  }

  function hear(text: string): void {
    const message = parseMessage(text)
    if (!message) return
    const [verb, first, second, third] = message
    const id = String(first)
    if (verb === 'EVENT') requests.get(id)?.onEvent(second as NostrEvent)
    else if (verb === 'EOSE') requests.get(id)?.onEose()
    else if (verb === 'OK')
      answers.get(id)?.resolve({ ok: second === true, msg: String(third ?? '') })
    else if (verb === 'CLOSED') refused(id, String(second ?? ''))
    else if (verb === 'AUTH') challenged(id)
    else if (verb === 'NOTICE') log.info({ notice: id }, 'the relay says')
  }

  /** The relay's challenge is answered at once: what it serves us depends on who we are. */
  function challenged(text: string): void {
    if (text === challenge) return
    challenge = text
    const socket = ws
    const mine = authenticate(text)
    authenticated = mine
    mine.then(ok => {
      if (socket !== ws || !open || authenticated !== mine) return
      if (ok) attempt = 0
      options.onReady()
    })
  }

  async function authenticate(text: string): Promise<boolean> {
    const template = {
      kind: kinds.Auth,
      created_at: Math.floor(Date.now() / 1000),
      tags: [
        ['relay', options.authUrl()],
        ['challenge', text],
      ],
      content: '',
    }
    const { ok, msg } = await exchange('AUTH', sign(template)).catch(lostMeanwhile)
    if (!ok)
      log.error({ url, msg }, 'the relay does not take our AUTH: check relay.auth.serviceUrl')
    return ok
  }

  function exchange(verb: 'EVENT' | 'AUTH', event: NostrEvent): Promise<Ok> {
    return new Promise((resolve, reject) => {
      if (!open) return reject(new Error('there is no connection'))
      const done = () => {
        clearTimeout(timer)
        if (answers.get(event.id) === mine) answers.delete(event.id)
      }
      const mine = {
        resolve(ok: Ok) {
          done()
          resolve(ok)
        },
        reject(error: Error) {
          done()
          reject(error)
        },
      }
      const timer = setTimeout(() => mine.reject(new Error('the relay did not answer')), ANSWER_MS)
      answers.set(event.id, mine)
      ws?.send(JSON.stringify([verb, event]))
    })
  }

  function refused(id: string, msg: string): void {
    const request = requests.get(id)
    requests.delete(id)
    // strfry begins what it says in CLOSED with "ERROR: ", also before a prefix.
    request?.onClosed(msg.replace(/^ERROR: /, ''))
  }

  return {
    get open(): boolean {
      return open
    },
    /** Sends an event and gives the relay's OK; rejects when the connection is lost before it comes. */
    async publish(event: NostrEvent): Promise<Ok> {
      const first = await exchange('EVENT', event)
      if (first.ok || !first.msg.startsWith('auth-required:')) return first
      if (!(await authenticated)) return first
      return exchange('EVENT', event)
    },
    /** Opens a subscription on this connection; gives the function that ends it. */
    subscribe(request: Request): () => void {
      if (!open) throw new Error('there is no connection')
      count += 1
      const id = `sluice-${count}`
      requests.set(id, request)
      ws?.send(JSON.stringify(['REQ', id, ...request.filters]))
      return () => {
        if (requests.delete(id) && open) ws?.send(JSON.stringify(['CLOSE', id]))
      }
    },
    /** Breaks the connection; a new one is made. */
    reset: (): void => ws?.terminate(),
    close(): void {
      closed = true
      clearTimeout(retry)
      ws?.terminate()
    },
  }
}
export type Link = ReturnType<typeof createLink>

const lostMeanwhile = (error: Error): Ok => ({ ok: false, msg: error.message })

function parseMessage(text: string): unknown[] | undefined {
  try {
    const message: unknown = JSON.parse(text)
    return Array.isArray(message) ? message : undefined
  } catch {
    return undefined
  }
}
