import { spawn } from 'node:child_process'

export interface FileResult {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** What is wrong with the file as a whole. */
  readonly problem: string | undefined
  readonly output: string
}

export interface RunLimits {
  /** The whole file, ms. */
  readonly deadlineMs: number
  /** From the summary to the exit, ms: more is a leaked handle. */
  readonly lingerMs: number
}

const DEFAULTS: RunLimits = { deadlineMs: 180_000, lingerMs: 5_000 }

/** Runs one uvu file in a process group of its own and reads its summary. */
export function runFile(file: string, limits: RunLimits = DEFAULTS): Promise<FileResult> {
  const began = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    detached: true,
  })
  let output = ''
  let killedFor: string | undefined
  const kill = (problem: string) => {
    killedFor = problem
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It ended in this moment.
    }
  }
  const deadline = setTimeout(
    () => kill(`did not end within ${limits.deadlineMs / 1000} s`),
    limits.deadlineMs,
  )
  let linger: NodeJS.Timeout | undefined
  const hear = (chunk: Buffer) => {
    output += chunk
    if (linger || !/^\s+Skipped:\s+\d+/m.test(output)) return
    const problem = `did not exit within ${limits.lingerMs / 1000} s of its summary: it leaks a server, timer or child`
    linger = setTimeout(() => kill(problem), limits.lingerMs)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  return new Promise(resolve => {
    child.once('close', code => {
      clearTimeout(deadline)
      clearTimeout(linger)
      const seconds = (performance.now() - began) / 1000
      resolve({ file, seconds, output, ...verdict(output, code, killedFor) })
    })
  })
}

function verdict(output: string, code: number | null, killedFor: string | undefined) {
  // uvu prints one summary for all suites of a file; a suite without .run() is not in it.
  const total = count(output, 'Total')
  const passed = count(output, 'Passed')
  const skipped = count(output, 'Skipped')
  const broken = total - passed
  const problem =
    killedFor ??
    (total === 0 && skipped === 0
      ? 'ran no test: does the file call .run()?'
      : code !== 0 && broken === 0
        ? `exited with ${code}`
        : undefined)
  return { passed, skipped, failed: problem ? Math.max(1, broken) : broken, problem }
}

const count = (output: string, name: string): number =>
  Number(new RegExp(`^\\s+${name}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0)
