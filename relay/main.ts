import { parseArgs } from 'node:util'
import pino from 'pino'
import type { Logger } from '../plugins/plugin.ts'
import { type LoadedConfig, loadConfig } from './config/config.ts'
import { reloadOnHangUp } from './hang-up.ts'
import { startRelay } from './server.ts'

const USAGE = 'usage: node dist/relay/main.js [--config FILE] [--set key=value ...]'

try {
  // 1. Configuration.
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const load = () => loadConfig({ file: values.config, set: values.set, env: process.env })
  const loaded = load()
  const log = pino({ level: loaded.config.logLevel }, pino.destination({ dest: 2, sync: true }))
  nameWhatIsPassedOver(loaded, log)

  // 2. Store, plugins, listen.
  const relay = await startRelay({ loaded, log, env: process.env })
  console.log(`sluice: listening on ${relay.urls.ws} and ${relay.urls.http}`)
  console.log(`  watch:    open ${relay.urls.http} in a browser`)
  console.log(
    `  go live:  announce there or from any Nostr client that speaks NIP-53, with relay ${relay.urls.ws}`,
  )
  console.log('  operate:  docs/operating.md; stop with Ctrl-C')

  // 3. Reload on SIGHUP, drain on the others.
  reloadOnHangUp({
    load,
    reload: relay.reload,
    log,
    onReload: read => nameWhatIsPassedOver(read, log),
  })
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'draining')
    const late = setTimeout(() => {
      log.error({}, 'draining took too long, leaving')
      process.exit(1)
    }, 9000)
    await relay.close()
    clearTimeout(late)
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}

function nameWhatIsPassedOver({ ignored, unknown }: LoadedConfig, log: Logger): void {
  if (ignored.length > 0)
    log.info({ keys: ignored }, 'keys of strfry that say nothing here were passed over')
  if (unknown.length > 0)
    log.warn(
      { keys: unknown },
      'the configuration has keys that nobody knows, look at their spelling',
    )
}
