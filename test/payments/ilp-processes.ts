import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { HUB_TOKEN } from './ilp.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SENDER_TOKEN = 'sender-token-0123456789'

/** A process of its own. */
export interface Child {
  process: ChildProcess
  stop(): Promise<void>
}
export type Hop = Child & { url: string; tell(path: string, body?: string): Promise<Buffer> }

/** Runs node on a file of ours, with pipes on stdin and stdout. */
export function start(args: string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', process.env.DEBUG ? 'inherit' : 'ignore'],
  })
  const exited = once(child, 'exit')
  return {
    process: child,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** A hop that does as it is told (ilp-hop-child.ts): `tell('/mode', 'shave')`. */
export async function startHop(upstream: string, token: string): Promise<Hop> {
  const child = start(['--import', 'tsx', 'test/payments/ilp-hop-child.ts', upstream, token])
  const { stdout } = child.process
  if (!stdout) throw new Error('the hop has no stdout')
  const { value: url } = await createInterface({ input: stdout })[Symbol.asyncIterator]().next()
  const tell = async (path: string, body = '') =>
    Buffer.from(await (await fetch(`${url}${path}`, { method: 'POST', body })).arrayBuffer())
  return { ...child, url, tell }
}

/** The npm connector `test.hub` with two children: `payer` over HTTP, and `sluice` over the given plugin. */
export async function startConnector(to: {
  plugin: string
  url: string
}): Promise<Child & { url: string }> {
  const port = await freePort()
  const account = { relation: 'child', assetCode: 'USD', assetScale: 6 }
  const outgoing = { url: to.url, staticToken: HUB_TOKEN }
  const incoming = (port: number) => ({ port, staticToken: SENDER_TOKEN })
  const accounts = {
    payer: {
      ...account,
      plugin: 'ilp-plugin-http',
      options: { incoming: incoming(port), outgoing: { ...outgoing, url: 'http://127.0.0.1:9' } },
    },
    sluice: {
      ...account,
      plugin: to.plugin,
      options:
        to.plugin === 'ilp-plugin-btp'
          ? { server: to.url }
          : { incoming: incoming(await freePort()), outgoing },
    },
  }
  const child = start(['node_modules/ilp-connector/dist/index.js'], {
    CONNECTOR_ENV: 'test',
    CONNECTOR_ILP_ADDRESS: 'test.hub',
    CONNECTOR_BACKEND: 'one-to-one',
    CONNECTOR_SPREAD: '0',
    CONNECTOR_STORE: 'memory',
    CONNECTOR_ACCOUNTS: JSON.stringify(accounts),
  })
  child.process.stdout?.resume()
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    const up = await fetch(url).then(
      response => response.ok,
      () => false,
    )
    if (up) return { ...child, url }
    assert.ok(tries < 200, 'the connector does not listen')
    await sleep(100)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return address.port
}
