import { statSync } from 'node:fs'
import type { Logger } from '../../plugins/plugin.ts'
import { HELLO_PIPELINE, parseReply, type StdioReply } from '../../plugins/strfry.ts'
import { circuitBreaker } from './breaker.ts'
import { type Child, startChild } from './child.ts'

/** Requests that a program may have at a time, once it says that it can. */
const PIPELINED = 64
const MAX_WAITING = 5000
/** Lines that are no JSON, between two answers: strfry passes over each, but a flood of them is a fault. */
const MAX_SKIPPED = 100
const WATCH_MS = 250

interface Asked {
  readonly id: string
  readonly line: string
  /** Nobody waits for it any more, but the program still has it. */
  late: boolean
  sentAt: number
  attempts: number
  timer: NodeJS.Timeout
  settle(reply: StdioReply | Error): void
}

interface Running {
  readonly child: Child
  readonly asked: Map<string, Asked>
  readonly mtime: number
  pipelined: boolean
  skipped: number
  retired: boolean
}

/**
 * Keeps one plugin program at work: starts it, asks it in turn (or many at a time), starts it anew when it fails or
 * its file changes. Every request is answered, or refused with its cause, within `timeoutMs`.
 */
export function createRunner(options: {
  command: string
  env: readonly string[]
  timeoutMs: number
  pipeline: boolean
  random?: () => number
  /** Milliseconds that only grow. */
  now?: () => number
  log: Logger
  onFault?(cause: string): void
}) {
  const { command, timeoutMs, log, now = () => performance.now() } = options
  const breaker = circuitBreaker({ now, random: options.random ?? Math.random })
  const waiting: Asked[] = []
  const alive = new Set<Running>()
  const ending = new Set<Promise<void>>()
  let current: Running | undefined
  let watchedAt = 0
  let closed = false

  /** Resolves with the reply to `line`, whose id is `id`; rejects with the cause. */
  function ask(id: string, line: string): Promise<StdioReply> {
    return new Promise((resolve, reject) => {
      const state = breaker.state()
      const busy = waiting.length + (current?.asked.size ?? 0)
      if (closed) return reject(new Error('the plugin is closed'))
      if (state === 'open' || (state === 'trying' && busy > 0))
        return reject(new Error('it failed too often and is left alone for a while'))
      if (waiting.length >= MAX_WAITING) return reject(new Error('too many requests wait for it'))
      const asked: Asked = {
        id,
        line,
        late: false,
        sentAt: 0,
        attempts: 0,
        timer: setTimeout(() => tooLate(asked), timeoutMs),
        settle(reply) {
          clearTimeout(asked.timer)
          if (reply instanceof Error) reject(reply)
          else resolve(reply)
        },
      }
      waiting.push(asked)
      pump()
    })
  }

  function pump(): void {
    while (waiting.length > 0 && !closed) {
      const running = ready()
      const next = waiting[0]
      const room = running.pipelined ? PIPELINED : 1
      if (!next || running.asked.size >= room || running.asked.has(next.id)) return
      waiting.shift()
      next.sentAt = now()
      next.attempts += 1
      running.asked.set(next.id, next)
      running.child.write(next.line)
    }
  }

  function ready(): Running {
    if (current && changed(current)) {
      log.info({ command }, 'the plugin file changed, it is started anew')
      retire(current)
    }
    current ??= start()
    return current
  }

  function start(): Running {
    const child = startChild({
      command,
      env: options.env,
      log,
      onLine: line => hear(running, line),
      onGone: cause => fault(running, cause),
    })
    const mtime = mtimeOf(command)
    const { pipeline: pipelined } = options
    const running: Running = {
      child,
      asked: new Map(),
      mtime,
      pipelined,
      skipped: 0,
      retired: false,
    }
    alive.add(running)
    return running
  }

  function hear(running: Running, line: string): void {
    if (line === HELLO_PIPELINE) {
      running.pipelined = true
      return pump()
    }
    const value = parseJson(line)
    if (value === undefined) {
      running.skipped += 1
      if (running.skipped === 1) log.warn({ line: line.slice(0, 200) }, 'a plugin printed no JSON')
      if (running.skipped > MAX_SKIPPED) fault(running, 'it prints what is no JSON')
      return
    }
    const reply = parseReply(value)
    if (!reply.success) return fault(running, `it answered ${line.slice(0, 200)}`)
    const asked = running.asked.get(reply.data.id)
    if (!asked) return fault(running, 'it answered an id that it was not asked about')
    running.asked.delete(asked.id)
    running.skipped = 0
    breaker.answered()
    asked.settle(reply.data)
    if (running.retired && running.asked.size === 0) end(running)
    pump()
  }

  /** The caller has its answer in time; the program is given its whole time from when it got the request. */
  function tooLate(asked: Asked): void {
    const at = waiting.indexOf(asked)
    const hadMs = now() - asked.sentAt
    const running = current?.asked.get(asked.id) === asked ? current : undefined
    if (at >= 0) waiting.splice(at, 1)
    else if (hadMs >= timeoutMs * 0.95 && running)
      return fault(running, `it did not answer within ${timeoutMs} ms`)
    if (!asked.late) asked.settle(new Error(`no answer within ${timeoutMs} ms`))
    asked.late = true
    if (running) asked.timer = setTimeout(() => tooLate(asked), timeoutMs - hadMs)
  }

  function fault(running: Running, cause: string): void {
    if (!alive.has(running)) return
    const pauseMs = breaker.failed()
    log.error({ command, cause, ...(pauseMs > 0 ? { pauseMs } : {}) }, 'a plugin failed')
    options.onFault?.(cause)
    end(running)
    const held = [...running.asked.values()]
    const lost = held.filter(asked => !asked.late)
    for (const asked of held) if (asked.late) clearTimeout(asked.timer)
    running.asked.clear()
    for (const asked of lost.reverse()) {
      // One at a time it is known whose request it was; of many, the others are asked once more.
      if (running.pipelined && asked.attempts < 2) waiting.unshift(asked)
      else asked.settle(new Error(cause))
    }
    if (breaker.state() === 'open')
      for (const asked of waiting.splice(0)) asked.settle(new Error(cause))
    pump()
  }

  /** A change of the file: what the old program was asked it still answers. */
  function retire(running: Running): void {
    running.retired = true
    if (current === running) current = undefined
    if (running.asked.size === 0) end(running)
    else setTimeout(() => end(running), timeoutMs).unref()
  }

  function end(running: Running): void {
    if (current === running) current = undefined
    if (!alive.delete(running)) return
    const gone = running.child.end().finally(() => ending.delete(gone))
    ending.add(gone)
  }

  function changed(running: Running): boolean {
    if (now() - watchedAt < WATCH_MS) return false
    watchedAt = now()
    const mtime = mtimeOf(command)
    return mtime !== 0 && mtime !== running.mtime
  }

  return {
    ask,
    /** Starts the program before the first request needs it. */
    start: (): void => void ready(),
    async close(): Promise<void> {
      closed = true
      const error = new Error('the plugin is closed')
      const held = [...alive].flatMap(running => [...running.asked.values()])
      for (const asked of [...waiting.splice(0), ...held]) asked.settle(error)
      for (const running of alive) end(running)
      await Promise.all(ending)
    },
  }
}

/** 0 for what is not there, or is a line for the shell: that is not watched. */
function mtimeOf(command: string): number {
  if (command.includes(' ')) return 0
  return statSync(command, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
