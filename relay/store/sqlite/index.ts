import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import type { Filter, NostrEvent } from '../../../events/index.ts'
import type { Clock, Logger } from '../../../plugins/plugin.ts'
import type { Awaitable, JobRequest, PutOutcome, Store, Tx } from '../../../plugins/store.ts'
import { endOfTurn } from '../../end-of-turn.ts'
import type { Job, RelayStore, StoredEvent, Wanted } from '../store.ts'
import { backupDatabase } from './backup.ts'
import { startCheckpointer } from './checkpointer.ts'
import { openConnection, syncDirectory } from './connection.ts'
import { documentReads, documentWrites } from './documents.ts'
import { eventVerbs, expiredIds } from './events.ts'
import { jobVerbs } from './jobs.ts'
import { queries } from './query.ts'
import { scanVerb } from './scan.ts'
import { migrate } from './schema.ts'
import { startSearch } from './search.ts'
import { searched } from './searched.ts'
import { createWriter, type Work } from './writer.ts'

/** The database's name in its folder. */
export const DATABASE_FILE = 'sluice.sqlite'
const EXPIRED_AT_ONCE = 500
/** A search counts no further: what it finds is looked at one by one. */
const MAX_COUNTED = 5000

/**
 * Opens the embedded store in the folder `dir`, making it on first start.
 *
 * @example
 * const store = openSqliteStore({ dir: './sluice-db', clock: { now: Date.now }, log })
 * await store.putEvent(event) // 'stored', and on disk
 */
export function openSqliteStore(options: {
  dir: string
  clock: Clock
  log: Logger
  /** NIP-62: does a `relay` tag with this value mean us? */
  vanishesHere?(relayTag: string): boolean
  /**
   * True for a tool beside the relay: the search index is left to the relay (it takes in what the tool stored), and a
   * database of an older shape is refused, not changed under a relay that runs.
   */
  guest?: boolean
}): RelayStore {
  const { dir, clock, log } = options
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const path = join(dir, DATABASE_FILE)
  const db = openConnection(path, 'writer')
  migrate(db, { upgrade: !options.guest })
  syncDirectory(path)
  const reads = openConnection(path, 'reader')

  const events = eventVerbs(db, options.vanishesHere ?? (tag => tag === 'ALL_RELAYS'))
  const documents = documentWrites(db)
  const jobs = jobVerbs(db, reads)
  const expired = expiredIds(db)
  let newestSeq = newestOf(db)
  // The writer's connection keeps its pages across its own commits, the reader's drops them: reads are asked of
  // the reader only while a transaction is open, which nobody outside may see into.
  const inside = viewOf(db, clock, () => newestSeq)
  const beside = viewOf(reads, clock, () => newestSeq)
  const snapshot = snapshotOf(db)
  const outside = () => {
    if (db.inTransaction && !snapshot.isOpen()) return beside
    snapshot.open()
    return inside
  }

  let wanted: (kind: number) => readonly Wanted[] = () => []
  const commitListeners: ((events: readonly StoredEvent[]) => void)[] = []
  const jobListeners: (() => void)[] = []
  const writer = createWriter({
    db,
    path,
    log,
    beforeBegin: snapshot.close,
    onVisible(seq) {
      newestSeq = seq
    },
    onDurable(stored, newJobs) {
      if (stored.length > 0) for (const listener of commitListeners) listener(stored)
      if (newJobs) for (const listener of jobListeners) listener()
    },
  })
  const checkpointer = startCheckpointer(path, error =>
    log.error({ cause: String(error) }, 'the checkpointer died: the WAL grows until a restart'),
  )

  const search = startSearch({
    dir,
    database: path,
    takesIn: !options.guest,
    onError: error =>
      log.error({ cause: String(error) }, 'the search index failed, it is started anew'),
  })
  const findWords = searched({
    search,
    clock,
    bySeq: seq => outside().bySeq(seq),
    query: (filters, options) => outside().query(filters, options),
  })

  function put(event: NostrEvent, work: Work): Awaitable<PutOutcome> {
    const { outcome, stored } = events.put(event)
    if (!stored) return outcome
    work.stored.push(stored)
    const plugins = wanted(event.kind)
    return plugins.length === 0 ? outcome : react(event, plugins, work).then(() => outcome)
  }

  async function react(event: NostrEvent, plugins: readonly Wanted[], work: Work): Promise<void> {
    for (const { plugin, when } of plugins) {
      if (when && !(await when(event, inside))) continue
      jobs.enqueue(plugin, { name: 'onStored', key: event.id, payload: event.id }, clock.now())
      work.jobs = true
    }
  }

  function txFor(plugin: string, work: Work): Tx {
    const open = <A extends unknown[], R>(verb: (...args: A) => R) => {
      return (...args: A): R => {
        if (work.closed) throw new Error('this transaction is over, its tx cannot be used any more')
        return verb(...args)
      }
    }
    return {
      event: open(inside.event),
      events: open(inside.events),
      get: open(inside.get),
      list: open(inside.list),
      putEvent: open((event: NostrEvent) => put(event, work)),
      removeEvent: open(events.remove),
      put: open(documents.put),
      delete: open(documents.delete),
      enqueue: open((job: JobRequest) => {
        jobs.enqueue(plugin, job, clock.now())
        work.jobs = true
      }),
      after: open((fn: () => void) => {
        work.after ??= []
        work.after.push(fn)
      }),
    }
  }

  const forPlugin = (plugin: string): Store => ({
    event: id => outside().event(id),
    events: filters => outside().events(filters),
    get: (collection, key) => outside().get(collection, key),
    list: (collection, options) => outside().list(collection, options),
    transaction: <T>(fn: (tx: Tx) => Awaitable<T>) =>
      writer.transaction(work => fn(txFor(plugin, work))),
  })

  /** Ends the hold on a job only after its new state is durable, so that nobody runs it meanwhile. */
  const conclude = async (job: Job, verb: () => void): Promise<void> => {
    await writer.transaction(verb)
    jobs.release(job)
    for (const listener of jobListeners) listener()
  }

  return {
    ...forPlugin('relay'),
    forPlugin,
    putEvent: event => writer.transaction(work => put(event, work)),
    has: id => outside().has(id),
    query: (filters, options) =>
      filters.some(searches) ? findWords(filters, options) : outside().query(filters, options),
    count: (filters, { visibility, max }) =>
      filters.some(searches)
        ? findWords(filters, { visibility, maxLimit: MAX_COUNTED }).then(({ raws }) => ({
            count: raws.length,
          }))
        : outside().count(filters, visibility, max),
    items: (filters, { visibility, max }) => outside().items(filters, visibility, max),
    scan: scanVerb(reads, clock),
    onCommit: listener => commitListeners.push(listener),
    jobs: {
      claim: jobs.claim,
      nextAt: jobs.nextAt,
      counts: jobs.counts,
      done: job => conclude(job, () => jobs.done(job)),
      failed: (job, error, runAt) => conclude(job, () => jobs.failed(job, error, runAt)),
    },
    onJobs: listener => jobListeners.push(listener),
    jobsFor(wants) {
      wanted = wants
    },
    load: () => ({ ...writer.load(), searches: search.waiting() }),
    async removeExpired(now) {
      let removed = 0
      for (let more = true; more; ) {
        more = await writer.transaction(() => {
          const ids = expired(now, EXPIRED_AT_ONCE)
          for (const id of ids) events.remove(id.toString('hex'))
          removed += ids.length
          return ids.length === EXPIRED_AT_ONCE
        })
      }
      return removed
    },
    backup: target => backupDatabase(path, target),
    async close() {
      await writer.close()
      await Promise.all([checkpointer.close(), search.close()])
      snapshot.close()
      reads.close()
      db.close()
    },
  }
}

/**
 * One read transaction for all the reads of one turn of the event loop: taking and giving up the lock costs more
 * than most of them. It ends before a transaction begins, so nobody misses a write of ours.
 */
function snapshotOf(db: Database) {
  const begin = db.prepare('BEGIN')
  const end = db.prepare('COMMIT')
  let isOpen = false
  const close = () => {
    if (!isOpen) return
    isOpen = false
    end.run()
  }
  const closeLater = endOfTurn(close)
  return {
    isOpen: () => isOpen,
    open(): void {
      if (isOpen) return
      begin.run()
      isOpen = true
      closeLater(undefined)
    },
    close,
  }
}

const searches = ({ search }: Filter): boolean => search !== undefined

export const newestOf = (db: Database): number =>
  db.prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'event'").pluck().get() ?? 0

/** All that can be read, on one connection. */
export function viewOf(db: Database, clock: Clock, newestSeq: () => number) {
  const { all, ...find } = queries(db, clock, newestSeq)
  const raw = db.prepare<[Buffer], string>('SELECT raw FROM event WHERE id = ?').pluck()
  const known = db.prepare<[Buffer], number>('SELECT 1 FROM event WHERE id = ?').pluck()
  const bySeq = db.prepare<[number], { raw: string; expires: number | null }>(
    'SELECT raw, expires FROM event WHERE seq = ?',
  )
  return {
    ...documentReads(db),
    ...find,
    bySeq: (seq: number) => bySeq.get(seq),
    has: (id: string): boolean => known.get(Buffer.from(id, 'hex')) !== undefined,
    event(id: string): NostrEvent | undefined {
      const text = raw.get(Buffer.from(id, 'hex'))
      return text === undefined ? undefined : JSON.parse(text)
    },
    events: (filters: readonly Filter[]): NostrEvent[] =>
      all(filters).map(text => JSON.parse(text)),
  }
}
