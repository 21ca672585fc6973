import {
  type EventTemplate,
  type Filter,
  kinds,
  type NostrEvent,
  privateKinds,
  tagsNamed,
} from '../events/index.ts'
import { RelayGone, RelayRefused, RelayTimeout } from './errors.ts'
import { poolRead } from './pool-read.ts'
import { queryBy } from './query.ts'
import type { Relay, RelayStatus } from './relay.ts'
import { RelayClient, type RelayClientOptions } from './relay-client.ts'
import type { Signer } from './signer.ts'
import type { SubscriptionHandlers } from './subscription.ts'

/** A relay of a pool; `self` is its own pubkey (`relayInfo`) where it sells streams. */
export interface PoolRelay {
  readonly url: string
  readonly self?: string
}

export interface RelayPoolOptions extends RelayClientOptions {
  /** How long the slower relays are waited for once one has given its stored events. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 1_500

/**
 * Several relays that act as one. Events go to all of them and count as published when one has taken them; reads
 * come from all, each event once. A relay that is away is not waited for, and catches up when it is back.
 *
 * Payments (5610 to 5615, and 5651) go to the relay whose `self` they name alone, or to those that have one, and their
 * answer is the answer: another relay's OK would not mean that anything was paid.
 *
 * Example:
 * ```ts
 * const pool = new RelayPool([{ url: 'wss://live.example', self }, { url: 'wss://nos.example' }], { signer })
 * const session = await viewer(pool, self).open(stream, { onChange })
 * ```
 */
export class RelayPool implements Relay {
  readonly #relays: readonly { client: RelayClient; self?: string }[]
  readonly #patienceMs: number
  readonly #timeoutMs: number
  readonly #listeners = new Set<(status: RelayStatus) => void>()
  #signer: Signer | undefined
  #status: RelayStatus = 'connecting'

  constructor(relays: readonly PoolRelay[], options: RelayPoolOptions = {}) {
    if (relays.length === 0) throw new Error('a RelayPool needs at least one relay')
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#signer = options.signer
    this.#relays = relays.map(({ url, self }) => ({ client: new RelayClient(url, options), self }))
    for (const { client } of this.#relays) client.onStatus(() => this.#look())
  }

  get url(): string {
    const [first] = this.#clients
    return (this.#clients.find(({ status }) => status === 'open') ?? first)?.url ?? ''
  }

  get status(): RelayStatus {
    return this.#status
  }

  get signer(): Signer {
    // The first one's sentence when there is none.
    return this.#signer ?? (this.#clients[0] as RelayClient).signer
  }

  setSigner(signer: Signer | undefined): void {
    this.#signer = signer
    for (const client of this.#clients) client.setSigner(signer)
  }

  onStatus(listener: (status: RelayStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Resolves with the first OK. Rejects once every relay that can be reached has refused or kept silent: with
   * `RelayRefused` where one gave a reason, else `RelayTimeout` or `RelayGone`.
   */
  publish(event: NostrEvent): Promise<string> {
    if (this.#status === 'closed') return Promise.reject(new RelayGone())
    return new Promise((resolve, reject) => {
      const errors: unknown[] = []
      const waiting = new Set(this.#for(event))
      for (const client of [...waiting])
        client.publish(event).then(resolve, error => {
          waiting.delete(client)
          errors.push(error)
          // Who is away gets it when it comes back in time; nobody waits for it unless all are away.
          if ([...waiting].every(({ failing }) => failing)) reject(mostTelling(errors))
        })
    })
  }

  async send(template: EventTemplate): Promise<NostrEvent> {
    const event = await this.signer.sign(template)
    await this.publish(event)
    return event
  }

  /** `onEose` comes when every relay that can be reached is through, `onClosed` when all of those have ended it. */
  subscribe(filters: readonly Filter[], handlers: SubscriptionHandlers): () => void {
    return poolRead(this.#clients, this.#patienceMs, filters, handlers)
  }

  /** Newest first, from all. Rejects with `RelayTimeout` when no relay answers, `RelayRefused` when all refuse. */
  async query(filters: readonly Filter[]): Promise<NostrEvent[]> {
    const found = await queryBy((...asked) => this.subscribe(...asked), filters, this.#timeoutMs)
    return found.sort((a, b) => b.created_at - a.created_at)
  }

  close(): void {
    for (const client of this.#clients) client.close()
    this.#look()
  }

  get #clients(): readonly RelayClient[] {
    return this.#relays.map(({ client }) => client)
  }

  /** The relays that an event is for. */
  #for(event: NostrEvent): readonly RelayClient[] {
    if (!forOneRelay.includes(event.kind)) return this.#clients
    const named = tagsNamed(event, 'p').map(tag => tag[1])
    const sellers = this.#relays.filter(({ self }) => self !== undefined)
    const home = sellers.filter(({ self = '' }) => named.includes(self))
    // Where a host is its own payee its name stands there, and the relay that sells the stream watches over it.
    const those = home.length > 0 ? home : sellers.length > 0 ? sellers : this.#relays
    return those.map(({ client }) => client)
  }

  #look(): void {
    const all = this.#clients.map(({ status }) => status)
    const status = all.includes('open')
      ? 'open'
      : all.every(one => one === 'closed')
        ? 'closed'
        : 'connecting'
    if (status === this.#status) return
    this.#status = status
    for (const listener of this.#listeners) listener(status)
  }
}

const forOneRelay = privateKinds.filter(
  kind => kind !== kinds.DirectMessage && kind !== kinds.GiftWrap,
)

/** A reason tells more than silence. */
const mostTelling = (errors: readonly unknown[]): unknown =>
  errors.find(error => error instanceof RelayRefused) ??
  errors.find(error => error instanceof RelayTimeout) ??
  errors[0]
