/**
 * strfry as a plugin meets it: one request at a time, a time-out that begins anew with each line, lines that do not
 * parse passed over, a wrong id or action restarts, SIGTERM and a wait without end. Where STRFRY_BIN names the real
 * one, spawnStrfry() runs that instead.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Event } from 'nostr-tools'
import { privateKinds } from '../../events/index.ts'
import { connect, person } from '../harness.ts'

export interface Verdict {
  readonly action: 'accept' | 'reject' | 'shadowReject'
  readonly msg: string
}
const MAX_RECORD = 8192
const failed: Verdict = { action: 'reject', msg: 'error: internal error' }

interface Running {
  readonly child: ChildProcess
  readonly mtime: number
  /** The next line, or the reason why none comes. */
  read(timeoutMs: number): Promise<string>
}

/** Runs `command` as strfry's write policy. */
export function strfryPlugin(options: {
  command: string
  timeoutSeconds?: number
  env?: NodeJS.ProcessEnv
}) {
  const { command, timeoutSeconds = 10 } = options
  const log: string[] = []
  let running: Running | undefined
  let starts = 0
  let turn: Promise<unknown> = Promise.resolve()

  async function ask(event: Event, extra: object): Promise<Verdict> {
    try {
      if (running && mtimeOf(command) !== running.mtime) await reset()
      running ??= start()
      const request = { type: 'new', event, receivedAt: Math.floor(Date.now() / 1000), ...extra }
      running.child.stdin?.write(`${JSON.stringify(request)}\n`)
      for (;;) {
        const line = await running.read(timeoutSeconds * 1000)
        const reply = parse(line)
        if (reply === undefined) {
          log.push(`Got unparseable line from write policy plugin: ${line.slice(0, 100)}`)
          continue
        }
        if (reply?.id !== event.id) throw new Error('id mismatch')
        const { action, msg = '' } = reply
        if (action !== 'accept' && action !== 'reject' && action !== 'shadowReject')
          throw new Error(`unknown action: ${action}`)
        return { action, msg }
      }
    } catch (error) {
      log.push(`Plugin error: ${error instanceof Error ? error.message : error}`)
      await reset()
      return failed
    }
  }

  function start(): Running {
    starts += 1
    const child = spawn('/bin/sh', ['-c', command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...options.env },
    })
    child.stdin.on('error', () => undefined)
    let text = Buffer.alloc(0)
    let over = false
    let wake = () => {}
    child.stdout.on('data', (chunk: Buffer) => {
      text = Buffer.concat([text, chunk])
      // The reader takes no more than it may keep: a pipe that is full stops its writer.
      if (text.length > MAX_RECORD * 4) child.stdout.pause()
      wake()
    })
    child.stdout.on('end', () => {
      over = true
      wake()
    })
    async function read(timeoutMs: number): Promise<string> {
      const late = performance.now() + timeoutMs
      for (;;) {
        const end = text.indexOf(10)
        if (end > MAX_RECORD || (end < 0 && text.length > MAX_RECORD))
          throw new Error('Failed to read response: record too large')
        if (end >= 0) {
          const line = text.subarray(0, end).toString()
          text = text.subarray(end + 1)
          child.stdout.resume()
          return line
        }
        if (over) throw new Error('Failed to read response: stream closed')
        const left = late - performance.now()
        if (left <= 0) throw new Error('Failed to read response: timeout')
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, left)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    }
    return { child, mtime: mtimeOf(command), read }
  }

  /** SIGTERM, and then strfry waits with stdin still open: a plugin that does not go holds all writes. */
  async function reset(): Promise<void> {
    const { child } = running ?? {}
    running = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit').then(() => true)
    child.kill('SIGTERM')
    if (await Promise.race([exited, sleep(20_000, false, { ref: false })])) {
      // Its pipes are closed only now: what /bin/sh started may live until then.
      child.stdin?.destroy()
      child.stdout?.destroy()
      return
    }
    child.kill('SIGKILL')
    throw new Error('strfry would wait for ever: the plugin does not exit on SIGTERM')
  }

  return {
    log,
    starts: () => starts,
    /** The plugin's process, while it runs. */
    pid: () => running?.child.pid,
    /** strfry's own order: the next request waits for this one's answer. */
    ask(event: Event, extra: object = { sourceType: 'IP4', sourceInfo: '127.0.0.1' }) {
      const verdict = turn.then(() => ask(event, extra))
      turn = verdict
      return verdict
    },
    /** strfry goes down: it sends SIGTERM and waits. Gives how long that took, ms. */
    async close(): Promise<number> {
      await turn
      const began = performance.now()
      await reset()
      return performance.now() - began
    },
  }
}

/** The real one, with `command` as its plugin and its database in `db`, beside the plugin's own. */
export async function spawnStrfry(options: {
  bin: string
  dir: string
  db: string
  port: number
  command: string
}) {
  const { bin, dir, db, port, command } = options
  const url = `ws://127.0.0.1:${port}`
  const file = join(dir, 'strfry.conf')
  mkdirSync(db, { recursive: true, mode: 0o700 })
  writeFileSync(
    file,
    `db = "${db}"
relay {
    bind = "127.0.0.1"
    port = ${port}
    nofiles = 0
    auth {
        enabled = true
        serviceUrl = "${url}"
        restrictedReadKinds = "${privateKinds.join(',')}"
        restrictReadToInvolvedPubkey = true
    }
    writePolicy { plugin = "${command}" }
}
`,
  )
  const child = spawn(bin, ['--config', file, 'relay'], {
    cwd: dir,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, STRFRY_CONFIG: file },
  })
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const exited = once(child, 'exit')
  const client = await retry(() => connect(url))
  // strfry starts its plugin with the first event that comes, and from its sources that takes a while.
  const first = person().sign({ kind: 0 })
  client.send(['EVENT', first])
  await client.next(([verb, id]) => verb === 'OK' && id === first.id, 60_000)
  client.close()
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  return {
    url,
    pid: child.pid ?? 0,
    stderr: () => stderr,
    kill,
    stop: async () => void (await kill('SIGTERM')),
  }
}

async function retry<T>(attempt: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await attempt()
    } catch (error) {
      if (i > 100) throw error
      await sleep(100)
    }
  }
}

/** Ports that were free a moment ago, for what must come back on the same one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  return servers.map(server => {
    const address = server.address()
    server.close()
    return typeof address === 'object' && address ? address.port : 0
  })
}

/** A launcher as scripts/build/launchers.ts writes it, over the sources: tests need no build. */
export function sourceLauncher(dir: string, ...names: string[]): string {
  const stdio = fileURLToPath(new URL('../../relay/stdio.ts', import.meta.url))
  const file = join(dir, `strfry-${names.join('-').replace(/\W+/g, '-') || 'all'}`)
  const args = names.map(name => `"${name}"`).join(' ')
  const text = `#!/bin/sh\nexec node --import ${import.meta.resolve('tsx')} ${stdio} ${args} "$@"\n`
  writeFileSync(file, text, { mode: 0o755 })
  return file
}

const mtimeOf = (command: string): number => (command.includes(' ') ? 0 : statSync(command).mtimeMs)

function parse(line: string): { id?: string; action?: string; msg?: string } | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
