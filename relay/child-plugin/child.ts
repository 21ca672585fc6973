import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import type { Logger } from '../../plugins/plugin.ts'
import { CHILD_ENV, MAX_REPLY_BYTES } from '../../plugins/strfry.ts'
import { lineReader } from './lines.ts'
import { openPipes } from './pipes.ts'

/** From SIGTERM to SIGKILL. */
const GRACE_MS = 1000
/** From its exit to the end of its output, where another process holds that open. */
const READ_OUT_MS = 200
const MAX_LOG_BYTES = 2000
const LOG_LINES_PER_SECOND = 10
/** What a program that we did not write has no business with. */
const SECRET = /key|secret|token|passw|nsec|seed/i

/** All that run: a process that exits without having closed them takes them with it. */
const groups = new Set<(name: NodeJS.Signals) => void>()
process.once('exit', () => {
  for (const signal of groups) signal('SIGKILL')
})

/** A running plugin program. */
export interface Child {
  write(line: string): void
  /** SIGTERM, and SIGKILL a second later, to its whole process group. Resolves when it is gone. */
  end(): Promise<void>
}

/**
 * Starts a plugin program in a process group of its own. `onGone` is called once, when it ends unasked or prints a
 * line that is too long. Variables that look like secrets stay here, unless `env` names them.
 */
export function startChild(options: {
  command: string
  env: readonly string[]
  onLine(line: string): void
  onGone(cause: string): void
  log: Logger
}): Child {
  const { command, onLine, onGone, log } = options
  const env = childEnv(options.env)
  const pipes = openPipes()
  const [stdinTo, stdoutTo] = pipes?.inherited ?? (['pipe', 'pipe'] as const)
  const stdio: StdioOptions = [stdinTo, stdoutTo, 'pipe']
  const [program, args]: [string, string[]] = command.includes(' ')
    ? ['/bin/sh', ['-c', command]]
    : [command, []]
  const child: ChildProcess = spawn(program, args, { detached: true, env, stdio })
  pipes?.handedOver()
  const stdin = pipes?.stdin ?? child.stdin
  const stdout = pipes?.stdout ?? child.stdout
  if (!stdin || !stdout || !child.stderr) throw new Error('a plugin program has no pipes')
  let ending = false
  const exited = new Promise<void>(resolve => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })

  const gone = (cause: string) => {
    if (ending) return
    ending = true
    signal('SIGKILL')
    onGone(cause)
  }
  child.once('error', error => {
    groups.delete(signal)
    gone(`it does not start: ${error.message}`)
  })
  child.once('exit', (code, name) => {
    groups.delete(signal)
    // What it left behind in its group goes with it; what it has answered is read first.
    signal('SIGKILL')
    const late = setTimeout(report, READ_OUT_MS)
    stdout.once('close', report)
    function report() {
      clearTimeout(late)
      gone(name ? `it was ended by ${name}` : `it exited with ${code}`)
    }
  })
  // A program that has closed its stdin is on its way out, or hangs: either is answered elsewhere.
  stdin.on('error', () => undefined)
  stdout.on(
    'data',
    lineReader({
      maxBytes: MAX_REPLY_BYTES,
      onLine: line => void (ending || onLine(line)),
      onTooLong() {
        stdout.destroy()
        gone(`it printed a line of more than ${MAX_REPLY_BYTES} bytes`)
      },
    }),
  )
  child.stderr.on('data', stderrLog(log))
  groups.add(signal)

  function signal(name: NodeJS.Signals): void {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, name)
    } catch {
      // Nobody is left in the group.
    }
  }

  return {
    write: line => void stdin.write(line),
    async end() {
      ending = true
      signal('SIGTERM')
      stdin.end()
      const late = setTimeout(() => signal('SIGKILL'), GRACE_MS)
      await exited
      clearTimeout(late)
      stdin.destroy()
      stdout.destroy()
      child.stderr?.destroy()
    },
  }
}

function childEnv(allowed: readonly string[]): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(
    ([name]) => !SECRET.test(name) || allowed.includes(name),
  )
  return { ...Object.fromEntries(passed), [CHILD_ENV]: '1' }
}

/** What the program says on stderr goes to the log, a few lines a second of it. */
function stderrLog(log: Logger): (chunk: Buffer) => void {
  let second = 0
  let lines = 0
  return chunk => {
    const now = Math.floor(performance.now() / 1000)
    if (now !== second) lines = 0
    second = now
    if (lines >= LOG_LINES_PER_SECOND) return
    for (const line of chunk.subarray(0, MAX_LOG_BYTES).toString().split('\n')) {
      if (line.trim() === '' || lines >= LOG_LINES_PER_SECOND) continue
      lines += 1
      log.info({ stderr: line }, 'a plugin says')
    }
  }
}
