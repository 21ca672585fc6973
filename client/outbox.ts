import { kinds, type NostrEvent } from '../events/index.ts'
import { RelayTimeout } from './errors.ts'

interface Pending {
  readonly event: NostrEvent
  readonly resolve: (note: string) => void
  readonly reject: (error: Error) => void
  timer: ReturnType<typeof setTimeout> | undefined
  authTried: boolean
}

/** Events that were sent and have no OK yet. */
export class Outbox {
  readonly #pending = new Map<string, Pending>()
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Waits for the event's OK; resolves with its note, rejects with what `reject` is given or `RelayTimeout`. */
  wait(event: NostrEvent): Promise<string> {
    return new Promise((resolve, reject) => {
      this.reject(event.id, new RelayTimeout())
      const pending = { event, resolve, reject, timer: undefined, authTried: false }
      this.#pending.set(event.id, pending)
      this.resumeTimer(event.id)
    })
  }

  resolve(id: string, note: string): void {
    this.#take(id)?.resolve(note)
  }

  reject(id: string, error: Error): void {
    this.#take(id)?.reject(error)
  }

  rejectAll(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.reject(id, error)
  }

  /** True once for each event and connection: whether it is worth to authenticate for it and send it again. */
  mayAuthenticate(id: string): boolean {
    const pending = this.#pending.get(id)
    if (!pending || pending.authTried) return false
    pending.authTried = true
    // Signing may ask a person, who may take longer than a relay.
    clearTimeout(pending.timer)
    return true
  }

  resumeTimer(id: string): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    clearTimeout(pending.timer)
    pending.timer = setTimeout(() => this.reject(id, new RelayTimeout()), this.#timeoutMs)
  }

  get(id: string): NostrEvent | undefined {
    return this.#pending.get(id)?.event
  }

  /** A new connection: what is still to be sent. An AUTH answers a challenge that is gone, so it is dropped. */
  reconnected(): NostrEvent[] {
    for (const [id, { event }] of this.#pending) if (event.kind === kinds.Auth) this.#take(id)
    return [...this.#pending].map(([id, pending]) => {
      pending.authTried = false
      this.resumeTimer(id)
      return pending.event
    })
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    clearTimeout(pending?.timer)
    return pending
  }
}
