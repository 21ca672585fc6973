import { Counter, Gauge, type Registry } from 'prom-client'
import type { Clock, Hooks, Logger } from '../plugins/plugin.ts'
import { describe } from './describe.ts'
import type { PluginTimes } from './plugin-times.ts'
import type { Job, RelayStore } from './store/store.ts'

const CONCURRENCY = 16
const MAX_ATTEMPTS = 12
const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 10 * 60_000

type HooksOf = (plugin: string) => Hooks | undefined

/**
 * Runs the store's jobs: as soon as they are due, several at a time, with backoff and jitter when they throw,
 * and to the dead letters after twelve attempts.
 */
export function runJobs(options: {
  store: RelayStore
  /** Runs a job with the plugins that are in force, which stay open until it has ended. */
  holding(work: (hooksOf: HooksOf) => Promise<void>): Promise<void>
  times?: PluginTimes
  clock: Clock
  log: Logger
  metrics: Registry
}) {
  const { store, clock, log, metrics, times } = options
  const finished = new Counter({
    name: 'sluice_jobs_total',
    help: 'Jobs that ended, by plugin, name and outcome (done, retried, dead)',
    labelNames: ['plugin', 'job', 'outcome'],
    registers: [metrics],
  })
  new Gauge({
    name: 'sluice_jobs',
    help: 'Jobs in the store, by state',
    labelNames: ['state'],
    registers: [metrics],
    async collect() {
      const { waiting, dead } = await store.jobs.counts()
      this.set({ state: 'waiting' }, waiting)
      this.set({ state: 'dead' }, dead)
    },
  })

  let timer: NodeJS.Timeout | undefined
  let looking = false
  let again = false
  let closed = false
  const running = new Set<Promise<void>>()
  store.onJobs(look)

  function look(): void {
    again = true
    if (looking || closed) return
    looking = true
    pump()
      .catch(error => log.error({ cause: String(error) }, 'jobs could not be read, trying again'))
      .finally(() => {
        looking = false
        if (again && !closed) look()
      })
  }

  async function pump(): Promise<void> {
    again = false
    clearTimeout(timer)
    const free = CONCURRENCY - running.size
    const jobs = free > 0 ? await store.jobs.claim(clock.now(), free) : []
    for (const job of jobs) {
      const run = attempt(job).finally(() => {
        running.delete(run)
        look()
      })
      running.add(run)
    }
    if (running.size >= CONCURRENCY) return
    const next = await store.jobs.nextAt()
    if (next === undefined || closed) return
    timer = setTimeout(look, Math.min(Math.max(next - clock.now(), 1), 60_000))
  }

  async function attempt(job: Job): Promise<void> {
    const labels = { plugin: job.plugin, job: job.name }
    try {
      try {
        await options.holding(hooksOf => timed(job, () => perform(job, hooksOf(job.plugin))))
      } catch (error) {
        const last = job.attempts + 1 >= MAX_ATTEMPTS
        const fields = {
          ...labels,
          key: job.key,
          attempt: job.attempts + 1,
          cause: describe(error),
        }
        log[last ? 'error' : 'warn'](
          fields,
          last ? 'a job is given up' : 'a job failed, it is retried',
        )
        finished.inc({ ...labels, outcome: last ? 'dead' : 'retried' })
        const runAt = last ? undefined : clock.now() + backoff(job.attempts)
        return await store.jobs.failed(job, describe(error), runAt)
      }
      await store.jobs.done(job)
      finished.inc({ ...labels, outcome: 'done' })
    } catch (error) {
      // The store is in trouble; the job is still held and runs again after a restart.
      log.error(
        { ...labels, key: job.key, cause: describe(error) },
        "a job's outcome was not saved",
      )
    }
  }

  async function timed(job: Job, work: () => Promise<void>): Promise<void> {
    const startedAt = performance.now()
    try {
      await work()
    } finally {
      const hook = job.name === 'onStored' ? 'onStored' : 'job'
      times?.of(job.plugin, hook).took(performance.now() - startedAt)
    }
  }

  async function perform(job: Job, hooks: Hooks | undefined): Promise<void> {
    if (job.name === 'onStored') {
      const event = await store.event(job.payload)
      // Gone in the meantime (deleted, replaced, expired): what it caused is not wanted any more.
      const reaction = event && hooks?.onStored?.[event.kind]
      if (reaction) await (typeof reaction === 'function' ? reaction : reaction.run)(event)
      return
    }
    const run = hooks?.jobs?.[job.name]
    if (!run) throw new Error(`plugin ${job.plugin} has no job ${job.name}: is it still loaded?`)
    await run({ key: job.key, payload: job.payload })
  }

  return {
    start: look,
    /** Begins no more jobs and waits for those under way. */
    async close(): Promise<void> {
      closed = true
      clearTimeout(timer)
      await Promise.allSettled(running)
    },
  }
}

const backoff = (attempts: number): number =>
  Math.min(FIRST_RETRY_MS * 2 ** attempts, MAX_RETRY_MS) * (0.5 + Math.random())
