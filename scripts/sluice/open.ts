import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Logger } from '../../plugins/plugin.ts'
import { type Config, loadConfig } from '../../relay/config/config.ts'
import { describe } from '../../relay/describe.ts'
import { DATABASE_FILE, openSqliteStore } from '../../relay/store/sqlite/index.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { publicUrls } from '../../relay/urls.ts'

/** The options by which every tool finds the relay's folder, for parseArgs. */
export const whereOptions = {
  config: { type: 'string' },
  set: { type: 'string', multiple: true, default: [] as string[] },
} as const

export interface Where {
  readonly config?: string
  readonly set: readonly string[]
}

/** The tools' log: what goes wrong in the store, one line each on stderr. */
export const toolLog: Logger = {
  debug() {},
  info() {},
  warn: (fields, text) => console.error(`sluice: ${text} ${JSON.stringify(fields)}`),
  error: (fields, text) => console.error(`sluice: ${text} ${JSON.stringify(fields)}`),
}

/** The relay's configuration and the path of its database; throws a sentence where there is none. */
export function findDatabase(
  where: Where,
  env: NodeJS.ProcessEnv,
): { config: Config; file: string } {
  const { config } = loadConfig({ file: where.config, set: where.set, env })
  const file = join(resolve(config.db), DATABASE_FILE)
  if (!existsSync(file))
    throw new Error(
      `there is no database in ${resolve(config.db)}: name the relay's folder with --set db=... or its file with --config`,
    )
  return { config, file }
}

/**
 * Opens the relay's store directly, beside a relay that may be running on it. Throws one sentence where that
 * cannot be done; `make` allows to begin a new database.
 */
export function openDatabase(
  where: Where,
  env: NodeJS.ProcessEnv,
  { make = false } = {},
): { store: RelayStore; config: Config } {
  const { config } = make
    ? loadConfig({ file: where.config, set: where.set, env })
    : findDatabase(where, env)
  const dir = resolve(config.db)
  try {
    const store = openSqliteStore({
      dir,
      clock: { now: Date.now },
      log: toolLog,
      guest: true,
      vanishesHere: tag =>
        tag === 'ALL_RELAYS' || publicUrls(config, config.relay.port).isOurs(tag),
    })
    return { store, config }
  } catch (cause) {
    throw new Error(`the database in ${dir} cannot be opened: ${describe(cause)}`, { cause })
  }
}
