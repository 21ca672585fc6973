import type { Database } from 'better-sqlite3'
import type { JobRequest } from '../../../plugins/store.ts'
import type { Job } from '../store.ts'

interface Held extends Job {
  readonly version: number
}

/** A STRICT table takes no fractions of a millisecond, and jitter makes them. */
const whole = (ms: number): number => Math.ceil(ms)

/**
 * The job table's verbs. What is held is only in memory, so a restart runs it again. Jobs are looked up on the
 * reading connection, which sees only what was committed.
 */
export function jobVerbs(db: Database, reads: Database) {
  const held = new Map<number, number>()
  const insert = db.prepare(
    `INSERT INTO job (plugin, name, key, payload, run_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (plugin, name, key) DO UPDATE SET
       payload = excluded.payload, run_at = excluded.run_at, version = version + 1,
       attempts = 0, error = NULL, dead = 0`,
  )
  const due = reads.prepare<[number], Held>(
    `SELECT id, plugin, name, key, payload, attempts, version FROM job
     WHERE dead = 0 AND run_at <= ? ORDER BY run_at, id`,
  )
  const next = reads.prepare<[], { id: number; run_at: number }>(
    'SELECT id, run_at FROM job WHERE dead = 0 ORDER BY run_at',
  )
  const remove = db.prepare('DELETE FROM job WHERE id = ? AND version = ?')
  const retry = db.prepare(
    'UPDATE job SET attempts = attempts + 1, error = ?, run_at = ? WHERE id = ? AND version = ?',
  )
  const bury = db.prepare(
    'UPDATE job SET attempts = attempts + 1, error = ?, dead = 1 WHERE id = ? AND version = ?',
  )
  const count = reads.prepare<[], { dead: number; n: number }>(
    'SELECT dead, count(*) AS n FROM job GROUP BY dead',
  )

  return {
    enqueue(plugin: string, job: JobRequest, now: number): void {
      insert.run(plugin, job.name, job.key, job.payload ?? '', whole(job.runAt ?? now))
    },
    claim(now: number, limit: number): Job[] {
      const jobs: Job[] = []
      for (const job of due.iterate(now)) {
        if (jobs.length >= limit) break
        if (held.has(job.id)) continue
        held.set(job.id, job.version)
        jobs.push(job)
      }
      return jobs
    },
    /** Inside a transaction. A job that was asked for again while it ran stays, and runs again. */
    done(job: Job): void {
      remove.run(job.id, held.get(job.id))
    },
    failed(job: Job, error: string, runAt: number | undefined): void {
      const version = held.get(job.id)
      if (runAt === undefined) bury.run(error, job.id, version)
      else retry.run(error, whole(runAt), job.id, version)
    },
    release: (job: Job): boolean => held.delete(job.id),
    nextAt(): number | undefined {
      for (const row of next.iterate()) if (!held.has(row.id)) return row.run_at
      return undefined
    },
    counts(): { waiting: number; dead: number } {
      const by = new Map(count.all().map(row => [row.dead, row.n]))
      return { waiting: by.get(0) ?? 0, dead: by.get(1) ?? 0 }
    },
  }
}
