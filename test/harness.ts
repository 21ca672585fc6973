import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type Event,
  type EventTemplate,
  finalizeEvent,
  generateSecretKey,
  getPublicKey,
} from 'nostr-tools'
import WebSocket from 'ws'
import type { Clock, Logger, Plugin } from '../plugins/plugin.ts'
import { loadConfig } from '../relay/config/config.ts'
import { type RunningRelay, startRelay as start } from '../relay/server.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface TestRelay {
  readonly url: string
  readonly http: string
  readonly dir: string
  readonly relay: RunningRelay
  /** Closes the relay and takes its folder away. */
  stop(): Promise<void>
}

/** Boots the real relay in this process, on a free port and a throw-away folder (or `dir`, which stays). */
export async function startRelay(
  options: { set?: string[]; plugins?: Plugin[]; dir?: string; clock?: Clock; log?: Logger } = {},
): Promise<TestRelay> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'sluice-test-')))
  const set = [`db=${dir}`, 'relay.port=0', 'liveStream.local.rtmpPort=0', ...(options.set ?? [])]
  const relay = await start({
    loaded: loadConfig({ set, env: {}, file: '/dev/null' }),
    log: options.log ?? silent,
    env: {},
    clock: options.clock,
    plugins: options.plugins,
  })
  return {
    url: relay.urls.ws,
    http: relay.urls.http,
    dir,
    relay,
    async stop() {
      await relay.close()
      if (!options.dir) await rm(dir, { recursive: true, force: true })
    },
  }
}

export interface RelayProcess {
  readonly url: string
  readonly http: string
  readonly child: ChildProcess
  /** What it has written to stderr so far. */
  stderr(): string
  /** Sends the signal and waits for the exit. */
  kill(signal: NodeJS.Signals): Promise<number | null>
  stop(): Promise<void>
}

/** Runs relay/main.ts as a process of its own, with free ports unless `args` says otherwise. */
export async function spawnRelay(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<RelayProcess> {
  const main = join(root, 'relay/main.ts')
  const free = ['--set', 'relay.port=0', '--set', 'liveStream.local.rtmpPort=0']
  const config = args.includes('--config') ? [] : ['--config', '/dev/null']
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...config, ...free, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const exited = once(child, 'exit')
  const line = await Promise.race([ready(child), exited.then(() => undefined)])
  const [, url, http] = /listening on (\S+) and (\S+)/.exec(line ?? '') ?? []
  if (!url || !http) throw new Error(`the relay did not start: ${stderr}`)
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  return {
    url,
    http,
    child,
    stderr: () => stderr,
    kill,
    stop: async () => void (await kill('SIGTERM')),
  }
}

async function ready(child: ChildProcess): Promise<string | undefined> {
  if (!child.stdout) return undefined
  for await (const line of createInterface({ input: child.stdout }))
    if (line.includes('listening on')) {
      child.stdout.resume()
      return line
    }
  return undefined
}

/** A key and what signs with it. */
export function person(secret = generateSecretKey()) {
  return {
    secret,
    pubkey: getPublicKey(secret),
    sign: (template: Partial<EventTemplate> & { kind: number }): Event =>
      finalizeEvent(
        { created_at: Math.floor(Date.now() / 1000), tags: [], content: '', ...template },
        secret,
      ),
  }
}
export type Person = ReturnType<typeof person>

type Message = [string, ...unknown[]]

/** A bare client: what it sends is what the test says, what it hears waits in order. */
export async function connect(url: string, headers: Record<string, string> = {}) {
  const ws = new WebSocket(url, { headers })
  const inbox: Message[] = []
  const waiting = new Set<() => void>()
  ws.on('message', data => {
    inbox.push(JSON.parse(String(data)))
    for (const look of [...waiting]) look()
  })
  await once(ws, 'open')

  /** Takes the first message that fits out of the inbox, or waits for it. */
  function next(fits: (message: Message) => boolean, ms = 3000): Promise<Message> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look)
        reject(
          new Error(
            `no such message within ${ms} ms; there are ${JSON.stringify(inbox).slice(0, 500)}`,
          ),
        )
      }, ms)
      function look() {
        const at = inbox.findIndex(fits)
        if (at < 0) return
        clearTimeout(timer)
        waiting.delete(look)
        const [message] = inbox.splice(at, 1)
        if (message) resolve(message)
      }
      waiting.add(look)
      look()
    })
  }
  const send = (message: unknown) => ws.send(JSON.stringify(message))

  return {
    ws,
    inbox,
    send,
    next,
    /** Sends an event and gives its OK: [accepted, message]. */
    async publish(event: Event): Promise<[boolean, string]> {
      send(['EVENT', event])
      const [, , ok, msg] = await next(m => m[0] === 'OK' && m[1] === event.id, 30_000)
      return [ok as boolean, msg as string]
    },
    /** The stored events of a REQ, until EOSE; the subscription stays open. Throws the CLOSED sentence. */
    async req(id: string, ...filters: object[]): Promise<Event[]> {
      send(['REQ', id, ...filters])
      const end = await next(m => (m[0] === 'EOSE' || m[0] === 'CLOSED') && m[1] === id)
      if (end[0] === 'CLOSED') throw new Error(String(end[2]))
      const events = inbox.filter(m => m[0] === 'EVENT' && m[1] === id).map(m => m[2] as Event)
      for (let i = inbox.length - 1; i >= 0; i--)
        if (inbox[i]?.[0] === 'EVENT' && inbox[i]?.[1] === id) inbox.splice(i, 1)
      return events
    },
    async auth(who: Person): Promise<[boolean, string]> {
      const challenge = await next(m => m[0] === 'AUTH').catch(() => undefined)
      if (challenge) inbox.push(challenge)
      const tags = [
        ['relay', url],
        ['challenge', String(challenge?.[1])],
      ]
      const event = who.sign({ kind: 22242, tags })
      send(['AUTH', event])
      const [, , ok, msg] = await next(m => m[0] === 'OK' && m[1] === event.id, 30_000)
      return [ok as boolean, msg as string]
    },
    close(): void {
      ws.terminate()
    },
  }
}
export type TestClient = Awaited<ReturnType<typeof connect>>
