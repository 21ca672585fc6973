import { parseArgs } from 'node:util'
import pino from 'pino'
import { startCompanion } from '../../relay/companion/companion.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { reloadOnHangUp } from '../../relay/hang-up.ts'

/** Runs the companion of a relay until a signal, SIGHUP reloads it; prints where it serves once it is ready. */
export async function runCompanion(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      relay: { type: 'string' },
      config: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
    },
  })
  if (!/^wss?:\/\//.test(values.relay ?? ''))
    throw new Error('name the relay: sluice companion --relay ws://127.0.0.1:7777')
  const relayUrl = values.relay ?? ''
  const load = () => loadConfig({ file: values.config, set: values.set, env })
  const loaded = load()
  const log = pino({ level: loaded.config.logLevel }, pino.destination({ dest: 2, sync: true }))
  const companion = await startCompanion({ loaded, relayUrl, log, env }).catch(error => {
    console.error(`sluice: ${error instanceof Error ? error.message : error}`)
    process.exit(1)
  })
  console.log(`sluice: companion of ${relayUrl}, listening on ${companion.http}`)
  console.log(`  pubkey: ${companion.self} (for relay.info.self in strfry.conf)`)

  reloadOnHangUp({ load, reload: companion.reload, log })
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'ending')
    setTimeout(() => process.exit(1), 9000).unref()
    await companion.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
