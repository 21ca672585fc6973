import type { Logger as Pino } from 'pino'
import type { LoadedConfig } from './config/config.ts'

/** On SIGHUP reads the configuration anew and gives it to `reload`; what it says of the log is in force where that went well. */
export function reloadOnHangUp(options: {
  load(): LoadedConfig
  reload(loaded: () => LoadedConfig): Promise<boolean>
  log: Pino
  onReload?(loaded: LoadedConfig): void
}): void {
  const { load, reload, log, onReload } = options
  process.on('SIGHUP', async () => {
    let read: LoadedConfig | undefined
    const done = await reload(() => {
      read = load()
      return read
    })
    if (!done || !read) return
    log.level = read.config.logLevel
    onReload?.(read)
  })
}
