import type { Logger } from '../plugins/plugin.ts'
import type { LoadedConfig } from './config/config.ts'
import { versionOf } from './plugin-files.ts'
import type { PluginSet } from './plugin-set.ts'

/** How often the plugins' files are looked at. One that changed is read once it rests from one look to the next. */
const LOOK_MS = 400
/** No plugin has this name. */
const CONF = ''

/** Reloads when it is told to, and the plugins by themselves when their files change. */
export function reloading(options: {
  plugins: PluginSet
  /** What it was started with. */
  started: LoadedConfig
  /** What can only be chosen at the start, by key. */
  fixed: Readonly<Record<string, (loaded: LoadedConfig) => unknown>>
  log: Logger
  /** Where nobody says that strfry.conf has changed: looked at as the plugins' files are. */
  conf?: { files: readonly string[]; load(): LoadedConfig }
  onReload?(loaded: LoadedConfig): void
}) {
  const { plugins, started, fixed, log, conf } = options
  const seen = new Map<string, string>()
  let confVersion = versionOf(conf?.files ?? [])
  let running = 0

  async function reload(loaded: () => LoadedConfig): Promise<boolean> {
    const before = plugins.current().plugins
    running += 1
    try {
      await plugins.reload(loaded)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      log.error({ cause }, 'nothing was reloaded, all goes on as it was')
      return false
    } finally {
      running -= 1
    }
    const now = plugins.current()
    const namesOf = (of: typeof before, but: typeof before) =>
      of.filter(plugin => !but.includes(plugin)).map(({ name }) => name)
    const fields = { loaded: namesOf(now.plugins, before), closed: namesOf(before, now.plugins) }
    log.info(fields, 'reloaded')
    const keys = Object.keys(fixed).filter(
      key => fixed[key]?.(now.loaded) !== fixed[key]?.(started),
    )
    if (keys.length > 0) log.warn({ keys }, 'what changed here needs a restart')
    options.onReload?.(now.loaded)
    return true
  }

  /** A file that is being written is left alone until it rests. */
  function changes(name: string, files: readonly string[], version: string): boolean {
    const now = versionOf(files)
    const rests = seen.get(name) === now
    seen.set(name, now)
    return rests && now !== version
  }

  function look(): void {
    if (running > 0) return
    const { loaded } = plugins.current()
    const changed = [...plugins.imported].filter(
      ([name, { files, version }]) =>
        loaded.config.plugins.includes(name) && changes(name, files, version),
    )
    if (conf && changes(CONF, conf.files, confVersion)) {
      confVersion = versionOf(conf.files)
      void reload(conf.load)
    } else if (changed.length > 0) void reload(() => plugins.current().loaded)
  }
  const timer = setInterval(look, LOOK_MS)

  return { reload, close: (): void => clearInterval(timer) }
}
