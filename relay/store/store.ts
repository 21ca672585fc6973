import type { Filter, NostrEvent } from '../../events/index.ts'
import type { Awaitable, PutOutcome, Reader, Store } from '../../plugins/store.ts'

/** An event as it stands in the store: `raw` is the JSON that is sent, `seq` its place in the order of commits. */
export interface StoredEvent {
  readonly seq: number
  readonly event: NostrEvent
  readonly raw: string
}

/** The relay's `visible` door for one reader. Kinds it does not name are never asked. */
export interface Visibility {
  readonly kinds: ReadonlySet<number> | 'all'
  test(event: NostrEvent): boolean
}

export interface QueryOptions {
  readonly visibility?: Visibility
  /** Upper bound (and default) of each filter's `limit`. */
  readonly maxLimit: number
}

export interface QueryResult {
  /** JSON texts of the matches, each once, newest first, equal times by lowest id; `limit` counts visible ones. */
  readonly raws: readonly string[]
  /** The newest commit that the answer has seen: live delivery starts after it. */
  readonly seq: number
  /** True when no limit cut anything off (NIP-67 `finish`). */
  readonly complete: boolean
}

export interface CountResult {
  readonly count: number
  /** NIP-45 HyperLogLog registers, 512 hex, where the filter allows. */
  readonly hll?: string
}

/** A walk over everything that a filter matches, in memory that does not grow with it. */
export interface Scan {
  /** How many there are, bounded by the filter's `limit`. */
  total(): Awaitable<number>
  /**
   * JSON texts, newest first (equal times by lowest id), or exactly the other way round. What is stored
   * meanwhile may be among them or not; nothing comes twice.
   */
  readonly pages: AsyncIterable<readonly string[]>
}

/** A job as the runner takes it. */
export interface Job {
  readonly id: number
  readonly plugin: string
  /** `onStored` (payload is the event's id) or a name of the plugin's `jobs`. */
  readonly name: string
  readonly key: string
  readonly payload: string
  readonly attempts: number
}

export interface Jobs {
  /** Jobs due at `now` (unix ms) that nobody holds, oldest first; they are held until done, failed, or restart. */
  claim(now: number, limit: number): Awaitable<Job[]>
  done(job: Job): Promise<void>
  /** Puts it back for `runAt`, or with the dead letters where `runAt` is undefined. */
  failed(job: Job, error: string, runAt: number | undefined): Promise<void>
  /** When the next held-by-nobody job is due, unix ms. */
  nextAt(): Awaitable<number | undefined>
  counts(): Awaitable<{ waiting: number; dead: number }>
}

/** A plugin that wants an onStored job; `when` is asked in the transaction that stores the event. */
export interface Wanted {
  readonly plugin: string
  when?(event: NostrEvent, reader: Reader): Awaitable<boolean>
}

/** What the store is busy with, for /metrics; all but `waiting` and `searches` only grow. */
export interface StoreLoad {
  /** Transactions that the writer has not begun. */
  readonly waiting: number
  /** Searches that the index has not answered. */
  readonly searches: number
  readonly groups: number
  readonly transactions: number
  readonly syncs: number
  readonly syncMs: number
}

/** What the relay needs of a store beyond what plugins see. Another engine is one more folder beside sqlite/. */
export interface RelayStore extends Store {
  /** The same store as one plugin sees it: its jobs are enqueued under its name. */
  forPlugin(plugin: string): Store
  /** One event in a transaction of its own, durable when it resolves; the ingest path. */
  putEvent(event: NostrEvent): Promise<PutOutcome>
  has(id: string): Awaitable<boolean>
  query(filters: readonly Filter[], options: QueryOptions): Awaitable<QueryResult>
  /** `max` bounds what each filter counts. */
  count(
    filters: readonly Filter[],
    options: { visibility?: Visibility; max: number },
  ): Awaitable<CountResult>
  /** Id and time (s) of all visible matches, for NIP-77; undefined where there are more than `max`. */
  items(
    filters: readonly Filter[],
    options: { visibility?: Visibility; max: number },
  ): Awaitable<{ createdAt: number; id: string }[] | undefined>
  /** For the operator's tools: all matches, private kinds too; `search` is not looked at. */
  scan(filter: Filter, options: { oldestFirst?: boolean }): Scan
  /** Called with durable events, in seq order, each once. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): void
  readonly jobs: Jobs
  /** Called when a job became due sooner than `nextAt` said. */
  onJobs(listener: () => void): void
  /** Which plugins want an onStored job for a kind; set once the plugins are loaded, before listening. */
  jobsFor(wanted: (kind: number) => readonly Wanted[]): void
  load(): StoreLoad
  /** Takes out what NIP-40 says is over at `now` (s); returns how many. */
  removeExpired(now: number): Promise<number>
  /** A consistent, checked copy of the database in the new file `path`, while writes go on. */
  backup(path: string): Promise<void>
  close(): Promise<void>
}
