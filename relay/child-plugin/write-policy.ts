import { existsSync, readFileSync } from 'node:fs'
import type { Logger, Plugin } from '../../plugins/plugin.ts'
import type { Config } from '../config/config.ts'
import { childPlugin } from './index.ts'

/**
 * `relay.writePolicy.plugin`, with strfry's meaning: the program that is asked about each event, here before all
 * plugins. A launcher of our own is passed over where its plugins run inside this relay, so that one strfry.conf
 * serves both.
 */
export function writePolicyPlugins({ relay, plugins }: Config, log: Logger): Plugin[] {
  const { plugin: command, timeoutSeconds, ...rest } = relay.writePolicy
  if (command === '') return []
  const launched = launchedBy(command)
  if (launched && (launched.name === undefined || plugins.includes(launched.name))) {
    log.info(
      { command },
      'relay.writePolicy.plugin is Sluice itself: its plugins run in this relay',
    )
    return []
  }
  // strfry takes 0 for no time-out at all, which here every plugin has.
  const settings = { ...rest, ...(timeoutSeconds > 0 && { timeoutSeconds }) }
  return [childPlugin({ command, name: 'write-policy', settings })]
}

/** What scripts/build/launchers.ts wrote: one plugin's name, or undefined for all. */
function launchedBy(command: string): { name: string | undefined } | undefined {
  if (command.includes(' ') || !existsSync(command)) return undefined
  const text = readFileSync(command, 'utf8').slice(0, 500)
  const match = /^exec node .*\/relay\/stdio\.js"(?: "([a-z0-9-]+)")? "\$@"$/m.exec(text)
  return match ? { name: match[1] } : undefined
}
