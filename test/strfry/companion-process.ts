import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface CompanionProcess {
  readonly http: string
  readonly self: string
  readonly child: ChildProcess
  stderr(): string
  kill(signal: NodeJS.Signals): Promise<void>
}

/** Runs `sluice companion` as a process of its own, on free ports unless `settings` say otherwise. */
export async function spawnCompanion(
  relay: string,
  settings: readonly string[],
): Promise<CompanionProcess> {
  const free = ['companion.port=0', 'liveStream.local.rtmpPort=0', ...settings]
  const set = free.flatMap(one => ['--set', one])
  const args = ['companion', '--relay', relay, '--config', '/dev/null', ...set]
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/sluice.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const exited = once(child, 'exit')
  const ready = new Promise<RegExpExecArray | undefined>(resolve => {
    child.stdout.on('data', chunk => {
      stdout += chunk
      const found = /listening on (\S+)[\s\S]*pubkey: ([0-9a-f]{64})/.exec(stdout)
      if (found) resolve(found)
    })
  })
  const [, http = '', self = ''] = (await Promise.race([ready, exited.then(() => undefined)])) ?? []
  if (!self) throw new Error(`the companion did not start: ${stderr}`)
  return {
    http,
    self,
    child,
    stderr: () => stderr,
    async kill(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await exited
    },
  }
}
