import { existsSync } from 'node:fs'
import { extname, isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from '../plugins/plugin.ts'
import { childPlugin } from './child-plugin/index.ts'

/** `exec:./no-spam.py`: a program that speaks strfry's plugin protocol, run as a child. */
const EXEC = 'exec:'

/** `live-stream` -> `liveStream`: the name of the plugin's block in strfry.conf. */
export const blockName = (plugin: string): string =>
  plugin.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/**
 * Imports a plugin: a built-in by its name, or a file by its path (from the working directory). Throws a
 * sentence for what is not there or is no plugin.
 */
export async function importPlugin(name: string): Promise<Plugin> {
  if (name.startsWith(EXEC)) return childPlugin({ command: name.slice(EXEC.length) })
  const file = fileOf(name)
  if (!existsSync(file))
    throw new Error(
      `plugin "${name}" is not there: it needs to be a built-in name or a file's path`,
    )
  if (!/\.[cm]?[jt]s$/.test(file))
    throw new Error(`plugin "${name}" is no JavaScript: a program goes by "${EXEC}${name}"`)
  const module: { default?: unknown } = await import(pathToFileURL(file).href)
  const plugin = module.default as Partial<Plugin> | undefined
  if (typeof plugin?.name !== 'string' || typeof plugin.setup !== 'function' || !plugin.options)
    throw new Error(`plugin "${name}" has no default export made by definePlugin`)
  return plugin as Plugin
}

function fileOf(name: string): string {
  if (/[./\\]/.test(name)) return isAbsolute(name) ? name : resolve(name)
  const ending = extname(import.meta.url)
  return fileURLToPath(new URL(`../plugins/${name}/index${ending}`, import.meta.url))
}
