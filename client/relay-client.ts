import type { EventTemplate, Filter, NostrEvent } from '../events/index.ts'
import { authTemplate, challengeBox } from './auth.ts'
import { RelayGone, RelayRefused, SignerMissing } from './errors.ts'
import { Outbox } from './outbox.ts'
import { queryBy } from './query.ts'
import type { Relay, RelayStatus } from './relay.ts'
import type { Signer } from './signer.ts'
import { type Connect, connectGlobal, type Socket } from './socket.ts'
import { Subscription, type SubscriptionHandlers } from './subscription.ts'
import { isVerified } from './verified.ts'

export interface RelayClientOptions {
  /** Signs AUTH and the events of `send`. Reading public events needs none. */
  readonly signer?: Signer
  /** How to open sockets; the platform's own WebSocket by default. */
  readonly connect?: Connect
  /** Take the relay's word that signatures hold: for a page that the relay itself served. */
  readonly trusted?: boolean
  /** How long a relay may take to answer; time that a person takes to sign does not count. */
  readonly timeoutMs?: number
  /** 0 to 1, spreads reconnects. */
  readonly random?: () => number
}

const OPEN = 1
const MAX_BACKOFF_MS = 15_000

/**
 * One relay, kept: it reconnects (with backoff), asks its subscriptions again where they left off, sends again
 * what had no OK yet, and answers AUTH when the relay first asks for it. Source: NIP-01, NIP-42.
 *
 * Example: `const relay = new RelayClient('ws://localhost:7777'); await relay.publish(event); relay.close()`.
 */
export class RelayClient implements Relay {
  readonly url: string
  readonly #options: RelayClientOptions
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #outbox: Outbox
  readonly #challenge: ReturnType<typeof challengeBox>
  readonly #timeoutMs: number
  readonly #listeners = new Set<(status: RelayStatus) => void>()
  #signer: Signer | undefined
  #socket: Socket | undefined
  #status: RelayStatus = 'connecting'
  #auth: Promise<void> | undefined
  #attempt = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #aliveAt = 0
  #count = 0

  constructor(url: string, options: RelayClientOptions = {}) {
    this.url = url
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#outbox = new Outbox(this.#timeoutMs)
    this.#challenge = challengeBox(this.#timeoutMs)
    this.#signer = options.signer
    this.#open()
  }

  get status(): RelayStatus {
    return this.#status
  }

  /** True while the last tries to reach it have failed. */
  get failing(): boolean {
    return this.#attempt > 0
  }

  get signer(): Signer {
    if (!this.#signer) throw new SignerMissing('This needs a key: sign in first.')
    return this.#signer
  }

  /** From now on sign as somebody else; the connection is made anew, for AUTH binds a key to it. */
  setSigner(signer: Signer | undefined): void {
    const before = this.#signer
    this.#signer = signer
    if (before) this.#socket?.close()
  }

  /** Calls `listener` on each change of the connection; gives the function that ends that. */
  onStatus(listener: (status: RelayStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Sends a signed event until the relay has said OK. Resolves with the OK's note (often empty); rejects with
   * `RelayRefused`, `RelayTimeout`, `RelayGone`, or what signing AUTH threw.
   */
  publish(event: NostrEvent): Promise<string> {
    if (this.#status === 'closed') return Promise.reject(new RelayGone())
    const answer = this.#outbox.wait(event)
    this.#send(['EVENT', event])
    return answer
  }

  /** Signs a template and publishes it; gives the event. */
  async send(template: EventTemplate): Promise<NostrEvent> {
    const event = await this.signer.sign(template)
    await this.publish(event)
    return event
  }

  /** A REQ that survives reconnects; gives the function that ends it. */
  subscribe(filters: readonly Filter[], handlers: SubscriptionHandlers): () => void {
    this.#count += 1
    const subscription = new Subscription(`s${this.#count}`, filters, handlers)
    this.#subscriptions.set(subscription.id, subscription)
    this.#request(subscription)
    return () => {
      if (this.#subscriptions.delete(subscription.id)) this.#send(['CLOSE', subscription.id])
    }
  }

  /** The stored events that match, newest first. Rejects with `RelayRefused`, or `RelayTimeout` after `timeoutMs`. */
  query(filters: readonly Filter[]): Promise<NostrEvent[]> {
    return queryBy((...asked) => this.subscribe(...asked), filters, this.#timeoutMs)
  }

  /** Ends it: subscriptions fall silent, and what had no OK yet is rejected with `RelayGone`. */
  close(): void {
    this.#become('closed')
    clearTimeout(this.#retry)
    this.#subscriptions.clear()
    this.#outbox.rejectAll(new RelayGone())
    this.#socket?.close()
  }

  #open(): void {
    const socket = (this.#options.connect ?? connectGlobal)(this.url)
    this.#socket = socket
    socket.addEventListener('open', () => this.#opened(socket))
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket && typeof data === 'string') this.#message(data)
    })
    socket.addEventListener('close', () => this.#lost(socket))
    // An error is followed by a close, which is where it is answered.
    socket.addEventListener('error', () => {})
  }

  #opened(socket: Socket): void {
    if (this.#status === 'closed') {
      socket.close()
      return
    }
    this.#attempt = 0
    this.#become('open')
    for (const subscription of this.#subscriptions.values()) this.#request(subscription)
    for (const event of this.#outbox.reconnected()) this.#send(['EVENT', event])
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket || this.#status === 'closed') return
    if (this.#status === 'open') this.#aliveAt = Math.floor(Date.now() / 1000)
    this.#challenge.put(undefined)
    this.#auth = undefined
    for (const subscription of this.#subscriptions.values()) subscription.authTried = false
    this.#become('connecting')
    const spread = 0.5 + (this.#options.random ?? Math.random)() / 2
    const delay = Math.min(MAX_BACKOFF_MS, 300 * 2 ** this.#attempt) * spread
    this.#attempt += 1
    this.#retry = setTimeout(() => this.#open(), delay)
  }

  #become(status: RelayStatus): void {
    if (this.#status === status || this.#status === 'closed') return
    this.#status = status
    for (const listener of this.#listeners) listener(status)
  }

  #send(message: readonly unknown[]): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message))
  }

  #request(subscription: Subscription): void {
    this.#send(['REQ', subscription.id, ...subscription.filters(this.#aliveAt)])
  }

  #message(data: string): void {
    const message = parseMessage(data)
    if (!message) return
    const [verb, first, second, third] = message
    switch (verb) {
      case 'EVENT':
        this.#received(String(first), second as NostrEvent)
        break
      case 'EOSE':
        this.#subscriptions.get(String(first))?.eose()
        break
      case 'OK':
        this.#answered(String(first), second === true, String(third ?? ''))
        break
      case 'CLOSED':
        this.#refused(String(first), String(second ?? ''))
        break
      case 'AUTH':
        this.#challenge.put(String(first))
        break
    }
  }

  #received(id: string, event: NostrEvent): void {
    if (this.#options.trusted || isVerified(event)) this.#subscriptions.get(id)?.event(event)
  }

  #answered(id: string, ok: boolean, note: string): void {
    if (ok) {
      this.#outbox.resolve(id, note)
      return
    }
    const refused = new RelayRefused(note)
    if (!asksForAuth(refused) || !this.#outbox.mayAuthenticate(id)) {
      this.#outbox.reject(id, refused)
      return
    }
    this.#authenticated(
      () => {
        this.#outbox.resumeTimer(id)
        const event = this.#outbox.get(id)
        if (event) this.#send(['EVENT', event])
      },
      error => this.#outbox.reject(id, error),
    )
  }

  #refused(id: string, note: string): void {
    const subscription = this.#subscriptions.get(id)
    if (!subscription) return
    const refused = new RelayRefused(note)
    const refuse = () => {
      this.#subscriptions.delete(id)
      subscription.closed(refused)
    }
    if (!asksForAuth(refused) || subscription.authTried) {
      refuse()
      return
    }
    subscription.authTried = true
    this.#authenticated(() => this.#request(subscription), refuse)
  }

  /**
   * Answers the connection's challenge, once for all who need it. When the connection is lost meanwhile neither
   * function is called: the next connection sends everything again.
   */
  #authenticated(then: () => void, otherwise: (error: Error) => void): void {
    const socket = this.#socket
    this.#auth ??= this.#authenticate()
    this.#auth.then(
      () => {
        if (socket === this.#socket) then()
      },
      error => {
        if (socket !== this.#socket) return
        this.#auth = undefined
        otherwise(error)
      },
    )
  }

  async #authenticate(): Promise<void> {
    const challenge = await this.#challenge.get()
    const template = authTemplate(this.url, challenge, Math.floor(Date.now() / 1000))
    const event = await this.signer.sign(template)
    const answer = this.#outbox.wait(event)
    this.#send(['AUTH', event])
    await answer
  }
}

const asksForAuth = ({ prefix }: RelayRefused): boolean => prefix === 'auth-required'

function parseMessage(data: string): unknown[] | undefined {
  try {
    const message: unknown = JSON.parse(data)
    return Array.isArray(message) ? message : undefined
  } catch {
    return undefined
  }
}
