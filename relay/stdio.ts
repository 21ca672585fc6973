import { Console } from 'node:console'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { Registry } from 'prom-client'
import { accept, type Host } from '../plugins/plugin.ts'
import { CHILD_ENV, HELLO_PIPELINE, serveStdio } from '../plugins/strfry.ts'
import { companionOptions, companionUrls } from './companion/options.ts'
import { type LoadedConfig, loadConfig } from './config/config.ts'
import { loadCurve } from './curve.ts'
import { pluginHost } from './host.ts'
import { pluginSet } from './plugin-set.ts'
import { pluginTimes } from './plugin-times.ts'
import { reloading } from './reload.ts'
import { loadSigner } from './signer.ts'
import { slowCalls } from './slow-calls.ts'
import { openSqliteReader } from './store/sqlite/reader.ts'
import { telemetry } from './telemetry.ts'

/**
 * Plugins under strfry's stdin and stdout: `stdio [NAME ...]`, by default all of `plugins` in strfry.conf. They
 * only decide; the reactions are the companion's. Started by the launchers `dist/plugins/<name>/strfry`.
 */
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
function load(): LoadedConfig {
  const loaded = loadConfig({ file: values.config, set: values.set, env: process.env })
  companionOptions(loaded)
  if (positionals.length === 0) return loaded
  return { ...loaded, config: { ...loaded.config, plugins: positionals } }
}
let loaded = load()
const { config } = loaded
const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }))

// 2. A host that reads the companion's store and changes nothing.
const clock = { now: Date.now }
const metrics = new Registry()
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
  telemetry: telemetry({ log, metrics }),
  dataDir: config.db,
  urls: () => companionUrls(loaded),
  admit: async () => ({ ok: false, msg: 'error: this process decides alone' }),
  publicEvents: async () => [],
  slowCalls: () => [],
  broadcast: () => undefined,
})

// 3. The policies, in their order. strfry tells its plugin nothing of a change: files are looked at.
const slow = slowCalls({ metrics, log, clock, slowMs: () => loaded.config.slowPluginMs })
const plugins = pluginSet({
  setUp: { setup: host.decide },
  log,
  times: pluginTimes({ metrics, slow }),
  more: () => ({}),
})
await plugins.load(loaded)
reloading({
  plugins,
  started: loaded,
  fixed: { db: now => now.config.db },
  log,
  conf: { files: loaded.file ? [loaded.file] : [], load },
  onReload(now) {
    loaded = now
    log.level = now.config.logLevel
  },
})

// 4. Answer until strfry closes our stdin.
if (process.env[CHILD_ENV]) process.stdout.write(`${HELLO_PIPELINE}\n`)
const served = serveStdio({
  // What our own key signed comes from the companion, and passes as it does in our relay.
  write: (event, ctx) => (event.pubkey === signer.self ? accept : plugins.judge.write(event, ctx)),
  read: plugins.judge.read,
  input: process.stdin,
  output: process.stdout,
  log,
})
const ended = new Promise(resolve => process.stdin.once('end', resolve))
await Promise.race([served, ended.then(() => sleep(LAST_WORDS_MS))])
process.exit(0)
