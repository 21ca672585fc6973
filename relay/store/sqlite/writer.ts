import { closeSync, fdatasync, openSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import type { Logger } from '../../../plugins/plugin.ts'
import type { Awaitable } from '../../../plugins/store.ts'
import { endOfTurn } from '../../end-of-turn.ts'
import { within } from '../../within.ts'
import type { StoredEvent } from '../store.ts'

/** What one transaction collects while it runs; handed on once it is durable. */
export interface Work {
  readonly stored: StoredEvent[]
  jobs: boolean
  closed: boolean
  /** What to run once it is durable. */
  after?: (() => void)[]
}

interface Waiting {
  run(work: Work): Awaitable<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

interface Done {
  readonly waiting: Waiting
  readonly value: unknown
  readonly work: Work
}

/** A transaction that awaits something else than its `tx` makes all others wait: it is cut off after this. */
const DEADLINE_MS = 2000
const TOO_LONG = `a transaction took longer than ${DEADLINE_MS} ms and was undone`
/** Bounds one group, so that the first in it does not wait for the last of a flood. */
const MAX_GROUP = 1000

/**
 * The one writer. Transactions that wait together run one after the other under one BEGIN and COMMIT; where one of
 * them throws, all are undone and run again, each in a savepoint of its own. Then the WAL is synced off the event loop.
 *
 * 1. COMMIT makes a group visible to readers, in seq order.
 * 2. fdatasync of the WAL, begun after that COMMIT, makes it durable. What comes meanwhile is the next group:
 *    the more there is to do, the larger the groups.
 * 3. Only then promises resolve and events go to subscribers, group by group.
 */
export function createWriter(options: {
  db: Database
  path: string
  log: Logger
  /** Called right before a BEGIN. */
  beforeBegin(): void
  /** Called right after a COMMIT with the newest event's seq. */
  onVisible(seq: number): void
  onDurable(events: readonly StoredEvent[], jobs: boolean): void
}) {
  const { db, path, log, beforeBegin, onVisible, onDurable } = options
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const savepoint = db.prepare('SAVEPOINT work')
  const release = db.prepare('RELEASE work')
  const undo = db.prepare('ROLLBACK TO work')
  const wal = openSync(`${path}-wal`, 'r+')

  let queue: Waiting[] = []
  let unsynced: Done[] = []
  let writing = false
  let syncing = false
  let broken: Error | undefined
  let idle: (() => void)[] = []
  const totals = { groups: 0, transactions: 0, syncs: 0, syncMs: 0 }
  const writeSoon = endOfTurn(() => write())

  function transaction<T>(run: (work: Work) => Awaitable<T>): Promise<T> {
    if (broken) return Promise.reject(broken)
    return new Promise<T>((resolve, reject) => {
      // Everything that this turn of the event loop brings joins the group.
      if (queue.push({ run, resolve: resolve as (value: unknown) => void, reject }) === 1)
        writeSoon(undefined)
    })
  }

  async function write(): Promise<void> {
    if (writing) return
    writing = true
    while (queue.length > 0 && !(syncing && queue.length < MAX_GROUP)) {
      const group = queue.slice(0, MAX_GROUP)
      queue = queue.slice(MAX_GROUP)
      await writeGroup(group)
    }
    writing = false
    settle()
  }

  async function writeGroup(group: Waiting[]): Promise<void> {
    let done: Done[]
    try {
      done = (await attempt(group, together)) ?? (await attempt(group, oneByOne)) ?? []
    } catch (cause) {
      // Disk full, I/O error: nothing of this group stays.
      const error = new Error('error: the relay could not save this, try again later', { cause })
      log.error({ cause: String(cause) }, 'a group of transactions was not saved')
      for (const waiting of group) waiting.reject(error)
      return
    }
    totals.groups += 1
    totals.transactions += done.length
    const newest = done.findLast(({ work }) => work.stored.length > 0)?.work.stored.at(-1)
    if (newest) onVisible(newest.seq)
    for (const one of done) unsynced.push(one)
    sync()
  }

  /** One BEGIN and COMMIT around what `run` does with the group; whatever it throws leaves nothing behind. */
  async function attempt(
    group: readonly Waiting[],
    run: (group: readonly Waiting[]) => Promise<Done[] | undefined>,
  ): Promise<Done[] | undefined> {
    try {
      beforeBegin()
      begin.run()
      const done = await run(group)
      if (done) commit.run()
      else rollback.run()
      return done
    } catch (error) {
      // SQLite may have rolled back already.
      if (db.inTransaction) rollback.run()
      throw error
    }
  }

  /** The common case: all succeed, and savepoints, which copy every page that is touched, are spared. */
  async function together(group: readonly Waiting[]): Promise<Done[] | undefined> {
    const done: Done[] = []
    for (const waiting of group) {
      const work = newWork()
      try {
        const running = waiting.run(work)
        const value = running instanceof Promise ? await inTime(running) : running
        done.push({ waiting, value, work })
      } catch (error) {
        if (!db.inTransaction) throw error
        return undefined
      } finally {
        work.closed = true
      }
    }
    return done
  }

  /** Each in a savepoint of its own: one that throws takes only itself down. */
  async function oneByOne(group: readonly Waiting[]): Promise<Done[]> {
    const done: Done[] = []
    for (const waiting of group) {
      const work = newWork()
      savepoint.run()
      try {
        done.push({ waiting, value: await inTime(waiting.run(work)), work })
        release.run()
      } catch (error) {
        if (!db.inTransaction) throw error
        undo.run()
        release.run()
        waiting.reject(error)
      } finally {
        work.closed = true
      }
    }
    return done
  }

  function sync(): void {
    if (syncing || unsynced.length === 0) return
    syncing = true
    const group = unsynced
    unsynced = []
    const startedAt = performance.now()
    fdatasync(wal, error => {
      syncing = false
      totals.syncs += 1
      totals.syncMs += performance.now() - startedAt
      if (error) return fail(error, group)
      const stored = group.flatMap(done => done.work.stored)
      onDurable(
        stored,
        group.some(done => done.work.jobs),
      )
      for (const { waiting, value, work } of group) {
        if (work.after) runAll(work.after)
        waiting.resolve(value)
      }
      sync()
      if (queue.length > 0) writeSoon(undefined)
      settle()
    })
  }

  function runAll(after: readonly (() => void)[]): void {
    for (const fn of after) {
      try {
        fn()
      } catch (error) {
        log.error({ cause: String(error) }, 'what was to follow a transaction failed')
      }
    }
  }

  /** After a failed sync the kernel may have dropped the pages: only a restart tells what is on disk. */
  function fail(cause: Error, group: Done[]): void {
    broken = new Error('error: the relay lost its disk, it needs a restart', { cause })
    log.error(
      { cause: String(cause) },
      'syncing the WAL failed: writes are refused until a restart',
    )
    for (const { waiting } of [...group, ...unsynced]) waiting.reject(broken)
    for (const waiting of queue) waiting.reject(broken)
    queue = []
    unsynced = []
    settle()
  }

  function settle(): void {
    if (writing || syncing || queue.length > 0) return
    for (const resolve of idle) resolve()
    idle = []
  }

  return {
    transaction,
    /** What waits, and what was done since the start. */
    load: () => ({ ...totals, waiting: queue.length }),
    /** Resolves when all that was asked for is durable; then closes the file. */
    async close(): Promise<void> {
      if (writing || syncing || queue.length > 0)
        await new Promise<void>(resolve => idle.push(resolve))
      closeSync(wal)
    },
  }
}

const newWork = (): Work => ({ stored: [], jobs: false, closed: false })

const inTime = async (running: Awaitable<unknown>): Promise<unknown> =>
  within(Promise.resolve(running), DEADLINE_MS, TOO_LONG)
