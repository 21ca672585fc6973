import { mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { decode } from 'nostr-tools/nip19'
import { LocalSigner, RelayClient, relayInfo } from '../../client/index.ts'
import { connectNode } from '../../client/node.ts'
import { isHex64, parseAmount } from '../../events/index.ts'
import { packageFile } from '../../relay/server.ts'
import { holdFolder } from '../../relay/store/sqlite/lock.ts'
import { type Cap, openPurse } from '../mcp/purse.ts'
import { agentTools } from '../mcp/tools.ts'

/**
 * Serves an agent's skills by MCP over stdio, until stdin ends. The key comes from SLUICE_AGENT_KEY alone; the cap and
 * what was spent of it stand in a folder that one server at a time works in. Throws one sentence where it cannot begin.
 *
 * @example
 * // SLUICE_AGENT_KEY=nsec1... sluice mcp --relay wss://live.example.com --cap 500
 */
export async function runMcp(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      relay: { type: 'string', default: env.SLUICE_RELAY ?? 'ws://127.0.0.1:7777' },
      cap: { type: 'string', default: env.SLUICE_SPENDING_CAP ?? '' },
      asset: { type: 'string', default: env.SLUICE_SPENDING_ASSET ?? 'CREDIT' },
      state: { type: 'string', default: env.SLUICE_MCP_STATE ?? stateFolder(env) },
    },
  })
  const signer = new LocalSigner(readKey(env.SLUICE_AGENT_KEY))
  const cap = readCap(values.cap, values.asset)
  const dir = join(resolve(values.state), await signer.pubkey())
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const letGo = hold(dir)
  const purse = openPurse(dir, cap)
  const { self } = await relayInfo(values.relay)
  const relay = new RelayClient(values.relay, { connect: connectNode, signer })
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  const server = agentTools(relay, self, purse, version)
  const ended = new Promise<void>(resolve => {
    server.server.onclose = resolve
    process.stdin.once('end', resolve)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  await server.connect(new StdioServerTransport())
  await ended
  await server.close()
  relay.close()
  letGo()
}

const stateFolder = (env: NodeJS.ProcessEnv): string =>
  join(env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'sluice-mcp')

function readCap(text: string, asset: string): Cap {
  const amount = parseAmount(text)
  if (amount === undefined)
    throw new Error(
      `say with --cap (or SLUICE_SPENDING_CAP) how much the agent may spend in all, a whole number of ${asset}`,
    )
  return { amount, asset }
}

/** The key never stands in a sentence: not even a wrong one. */
function readKey(text: string | undefined): Uint8Array | string {
  if (text === undefined) throw new Error('put the agent’s key, nsec or hex, into SLUICE_AGENT_KEY')
  if (isHex64(text)) return text
  try {
    const said: { type: string; data: unknown } = decode(text)
    if (said.type === 'nsec' && said.data instanceof Uint8Array) return said.data
  } catch {
    // The sentence below says what is wanted, and nothing of what was given.
  }
  throw new Error('SLUICE_AGENT_KEY is no secret key: it needs an nsec or 64 lowercase hex')
}

function hold(dir: string): () => void {
  try {
    return holdFolder(dir)
  } catch (cause) {
    throw new Error(`another sluice mcp spends from ${dir}: end it, or name another --state`, {
      cause,
    })
  }
}
