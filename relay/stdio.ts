import { Console } from 'node:console'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { Registry } from 'prom-client'
import { accept, type Host, type Policy } from '../plugins/plugin.ts'
import { CHILD_ENV, HELLO_PIPELINE, serveStdio } from '../plugins/strfry.ts'
import { companionUrls } from './companion/options.ts'
import { loadConfig } from './config/config.ts'
import { loadCurve } from './curve.ts'
import { pluginHost } from './host.ts'
import { judge } from './judge.ts'
import { importPlugin } from './loader.ts'
import { loadSigner } from './signer.ts'
import { openSqliteReader } from './store/sqlite/reader.ts'
import { telemetry } from './telemetry.ts'

/**
 * Plugins under strfry's stdin and stdout: `stdio [NAME ...]`, by default all of `plugins` in strfry.conf. They
 * only decide; the reactions are the companion's. Started by the launchers `dist/plugins/<name>/strfry`.
 */
const POLICY_DEADLINE_MS = 5000
/** What is still being decided when strfry has closed our stdin. */
const LAST_WORDS_MS = 1000

// Nothing here is written by this process, so there is nothing to finish.
process.on('SIGTERM', () => process.exit(0))
// stdout belongs to the protocol, whatever a plugin prints.
globalThis.console = new Console(process.stderr, process.stderr)
// strfry closed the pipe.
process.stdout.on('error', () => process.exit(0))

// 1. Configuration, from strfry's own file.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { config: { type: 'string' }, set: { type: 'string', multiple: true, default: [] } },
})
const loaded = loadConfig({ file: values.config, set: values.set, env: process.env })
const { config } = loaded
const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }))

// 2. A host that reads the companion's store and changes nothing.
const clock = { now: Date.now }
const reader = openSqliteReader({ dir: config.db, clock })
const signer = loadSigner(config.db, process.env, loadCurve())
const readOnly: Host['store'] = {
  ...reader,
  transaction: () => Promise.reject(new Error('under strfry a plugin decides and stores nothing')),
}
const host = pluginHost({
  store: { forPlugin: () => readOnly },
  signer,
  clock,
  log,
  telemetry: telemetry({ log, metrics: new Registry() }),
  dataDir: config.db,
  urls: () => companionUrls(loaded),
  admit: async () => ({ ok: false, msg: 'error: this process decides alone' }),
  publicEvents: async () => [],
  slowCalls: () => [],
  broadcast: () => undefined,
})

// 3. The policies, in their order. Our own key's events come from the companion, and pass as they do in our relay.
const policies: Policy[] = []
const services = new Map()
const names = positionals.length > 0 ? positionals : config.plugins
for (const name of names)
  policies.push(...(await host.decide(await importPlugin(name), loaded, services)))
const verdicts = judge(policies, { deadlineMs: POLICY_DEADLINE_MS, log })

// 4. Answer until strfry closes our stdin.
if (process.env[CHILD_ENV]) process.stdout.write(`${HELLO_PIPELINE}\n`)
const served = serveStdio({
  write: async (event, ctx) => (event.pubkey === signer.self ? accept : verdicts.write(event, ctx)),
  read: verdicts.read,
  input: process.stdin,
  output: process.stdout,
  log,
})
const ended = new Promise(resolve => process.stdin.once('end', resolve))
await Promise.race([served, ended.then(() => sleep(LAST_WORDS_MS))])
process.exit(0)
