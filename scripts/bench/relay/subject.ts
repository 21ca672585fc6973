import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A relay under load: its address, what it has used so far, its end. */
export interface Subject {
  readonly name: string
  readonly url: string
  readonly pid: number
  usage(): { cpuMs: number; residentKb: number }
  stop(): Promise<void>
}

const TICKS_PER_SECOND = 100
const built = fileURLToPath(new URL('../../../dist/relay/main.js', import.meta.url))
const yardstickFile = fileURLToPath(new URL('./yardstick.mjs', import.meta.url))

/** The built relay with all default plugins, rate limits out of the way; `profileDir` gets a CPU profile of it. */
export function startSluice({
  profileDir,
  settings = [],
  prepare = () => undefined,
}: {
  profileDir?: string
  /** On top of those below, as in `--set`. */
  settings?: readonly string[]
  /** Writes what has to be in its folder before it starts. */
  prepare?(dir: string): void
} = {}): Promise<Subject> {
  const limits = [
    'relay.port=0',
    'liveStream.local.rtmpPort=0',
    'liveChat.ratePerSecond=100000',
    'liveChat.burst=100000',
    'relay.rateLimit.messagesPerSecond=0',
    'relay.rateLimit.connectionsPerIp=0',
    'rateLimit.perIp.ratePerSecond=0',
    'rateLimit.perPubkey.ratePerSecond=0',
    'logLevel=warn',
  ]
  return start('sluice', dir => {
    prepare(dir)
    return [
      ...(profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : []),
      built,
      '--config',
      '/dev/null',
      ...['db='.concat(dir), ...limits, ...settings].flatMap(setting => ['--set', setting]),
    ]
  })
}

/** The least that a Node process can do that verifies, stores durably, answers and fans out. */
export const startYardstick = (): Promise<Subject> =>
  start('yardstick', dir => [yardstickFile, dir])

/** A relay that runs already; `pid` is where its time is counted, with its children. */
export const running = (name: string, url: string, pid: number): Subject => ({
  name,
  url,
  pid,
  usage: () => usageOf(pid),
  stop: async () => undefined,
})

async function start(name: string, args: (dir: string) => string[]): Promise<Subject> {
  const dir = mkdtempSync(join(tmpdir(), `bench-${name}-`))
  const child = spawn(process.execPath, args(dir), { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await addressOf(child, name)
  const pid = child.pid ?? 0
  return {
    name,
    url,
    pid,
    usage: () => usageOf(pid),
    async stop() {
      child.kill('SIGTERM')
      await Promise.race([once(child, 'exit'), sleep(10_000)])
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function addressOf(child: ChildProcess, name: string): Promise<string> {
  if (child.stdout)
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /listening on (ws:\S+)/.exec(line)?.[1]
      if (!url) continue
      child.stdout.resume()
      return url
    }
  throw new Error(`${name} did not start: run npm run build first`)
}

/** Linux: user and system time of a process and its children, and the memory that they hold. */
export function usageOf(root: number): { cpuMs: number; residentKb: number } {
  let ticks = 0
  let residentKb = 0
  for (const pid of withChildren(root)) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    ticks += Number(stat[11]) + Number(stat[12])
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    residentKb += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
  }
  return { cpuMs: (ticks * 1000) / TICKS_PER_SECOND, residentKb }
}

function withChildren(root: number): number[] {
  const all = [root]
  for (const pid of all)
    for (const task of readdirSync(`/proc/${pid}/task`))
      for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
        if (child.trim() && !all.includes(Number(child))) all.push(Number(child))
  return all
}
