import type { Filter, NostrEvent } from '../events/index.ts'

/** A value that an engine on this machine has at once and one on the network later; always `await` it. */
export type Awaitable<T> = T | Promise<T>

export interface Document {
  readonly key: string
  readonly value: string
}

export interface ListOptions {
  /** Only keys that begin so. */
  readonly prefix?: string
  /** Only keys after this one (before it, when reverse). */
  readonly after?: string
  readonly limit?: number
  readonly reverse?: boolean
}

/**
 * What can be read. Documents are texts under (collection, key), listed in the byte order of their keys;
 * plugins keep their state in them (see collection.ts for a typed view).
 */
export interface Reader {
  event(id: string): Awaitable<NostrEvent | undefined>
  /** Events that match any of the filters, newest first, equal times by lowest id. Not filtered by `visible`. */
  events(filters: readonly Filter[]): Awaitable<NostrEvent[]>
  get(collection: string, key: string): Awaitable<string | undefined>
  list(collection: string, options?: ListOptions): Awaitable<Document[]>
}

/** `deleted`: a kind 5 or NIP-62 by its author forbids it. `replaced`: a newer one of its address is stored. */
export type PutOutcome = 'stored' | 'duplicate' | 'replaced' | 'deleted'

/** Work that leaves the process: at least once, backoff with jitter, dead-letter after a bound. */
export interface JobRequest {
  /** The name under which the plugin's `jobs` has the function. */
  readonly name: string
  /** Unique per plugin and name while the job waits: a second request moves `runAt` and payload of the first. */
  readonly key: string
  readonly payload?: string
  /** Not before, unix ms. Absent: at once. */
  readonly runAt?: number
}

/** One decision's changes: all of them become durable, or none. */
export interface Tx extends Reader {
  /**
   * Stores an event by NIP-01, 09 and 62 and, once durable, sends it to subscribers and to `onStored`.
   * The caller vouches for the signature.
   */
  putEvent(event: NostrEvent): Awaitable<PutOutcome>
  /** Takes an event out (retention, not NIP-09): it may come again. True when it was there. */
  removeEvent(id: string): Awaitable<boolean>
  put(collection: string, key: string, value: string): Awaitable<void>
  delete(collection: string, key: string): Awaitable<void>
  enqueue(job: JobRequest): Awaitable<void>
  /** Runs `fn` once this transaction is durable, and never if it is undone: what is told only of what is true. */
  after(fn: () => void): void
}

/** The relay's store, as a plugin meets it. */
export interface Store extends Reader {
  /**
   * Runs `fn` alone (no other transaction between its reads and its writes) and resolves once what it wrote
   * is on disk. `fn` throws: nothing of it stays, and the promise rejects with that error. Inside, await
   * nothing but the `tx`: the other transactions wait. Never call `transaction` inside one. `fn` changes nothing
   * but through its `tx`: where another transaction of the same commit fails, it is undone and run again.
   *
   * @example
   * await store.transaction(async tx => {
   *   const seen = await tx.get('visits', pubkey)
   *   await tx.put('visits', pubkey, String(Number(seen ?? 0) + 1))
   * })
   */
  transaction<T>(fn: (tx: Tx) => Awaitable<T>): Promise<T>
}
