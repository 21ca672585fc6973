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
}

interface Waiting {
  /** True for a run that is synchronous and fails only where the database does. */
  readonly simple: boolean
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
 * The one writer. Transactions that wait together run one after the other, each in a savepoint of its own,
 * under one BEGIN and COMMIT; then the WAL is synced off the event loop.
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
  /** Called right after a COMMIT with the newest event's seq. */
  onVisible(seq: number): void
  onDurable(events: readonly StoredEvent[], jobs: boolean): void
}) {
  const { db, path, log, onVisible, onDurable } = options
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
  const writeSoon = endOfTurn(() => write())

  function enqueue<T>(simple: boolean, run: (work: Work) => Awaitable<T>): Promise<T> {
    if (broken) return Promise.reject(broken)
    return new Promise<T>((resolve, reject) => {
      // Everything that this turn of the event loop brings joins the group.
      if (queue.push({ simple, run, resolve: resolve as (value: unknown) => void, reject }) === 1)
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
    const done: Done[] = []
    try {
      begin.run()
      for (let from = 0; from < group.length; ) {
        const some = simpleOnes(group, from)
        const together = some.length > 1 ? allTogether(some) : undefined
        if (together) done.push(...together)
        else
          for (const waiting of some) {
            const one = await alone(waiting)
            if (one) done.push(one)
          }
        from += some.length
      }
      commit.run()
    } catch (cause) {
      // Disk full, I/O error: SQLite may have rolled back already. Nothing of this group stays.
      if (db.inTransaction) rollback.run()
      const error = new Error('error: the relay could not save this, try again later', { cause })
      log.error({ cause: String(cause) }, 'a group of transactions was not saved')
      for (const waiting of group) waiting.reject(error)
      return
    }
    const newest = done.findLast(({ work }) => work.stored.length > 0)?.work.stored.at(-1)
    if (newest) onVisible(newest.seq)
    for (const one of done) unsynced.push(one)
    sync()
  }

  /** Simple ones in a row share a savepoint. Where one fails nothing of them stays, and each runs alone. */
  function allTogether(group: readonly Waiting[]): Done[] | undefined {
    const done: Done[] = []
    savepoint.run()
    try {
      for (const waiting of group) {
        const work = newWork()
        done.push({ waiting, value: waiting.run(work), work })
      }
      release.run()
      return done
    } catch (error) {
      if (!db.inTransaction) throw error
      undo.run()
      release.run()
      return undefined
    }
  }

  async function alone(waiting: Waiting): Promise<Done | undefined> {
    const work = newWork()
    savepoint.run()
    try {
      const running = waiting.run(work)
      const value =
        running instanceof Promise ? await within(running, DEADLINE_MS, TOO_LONG) : running
      release.run()
      return { waiting, value, work }
    } catch (error) {
      if (!db.inTransaction) throw error
      undo.run()
      release.run()
      waiting.reject(error)
      return undefined
    } finally {
      work.closed = true
    }
  }

  function sync(): void {
    if (syncing || unsynced.length === 0) return
    syncing = true
    const group = unsynced
    unsynced = []
    fdatasync(wal, error => {
      syncing = false
      if (error) return fail(error, group)
      const stored = group.flatMap(done => done.work.stored)
      onDurable(
        stored,
        group.some(done => done.work.jobs),
      )
      for (const { waiting, value } of group) waiting.resolve(value)
      sync()
      if (queue.length > 0) writeSoon(undefined)
      settle()
    })
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
    transaction: <T>(run: (work: Work) => Awaitable<T>): Promise<T> => enqueue(false, run),
    /** For a run that is synchronous and fails only where the database does: cheaper. */
    simple: <T>(run: (work: Work) => T): Promise<T> => enqueue(true, run),
    depth: () => queue.length,
    /** Resolves when all that was asked for is durable; then closes the file. */
    async close(): Promise<void> {
      if (writing || syncing || queue.length > 0)
        await new Promise<void>(resolve => idle.push(resolve))
      closeSync(wal)
    },
  }
}

const newWork = (): Work => ({ stored: [], jobs: false, closed: false })

/** The simple ones in a row from `from` on, or the one that is not simple. */
function simpleOnes(group: readonly Waiting[], from: number): readonly Waiting[] {
  let to = from
  while (group[to]?.simple) to += 1
  return group.slice(from, Math.max(to, from + 1))
}
