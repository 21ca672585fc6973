import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from '../plugins/plugin.ts'
import { childPlugin } from './child-plugin/index.ts'

/** `exec:./no-spam.py`: a program that speaks strfry's plugin protocol, run as a child. */
const EXEC = 'exec:'

/** `live-stream` -> `liveStream`: the name of the plugin's block in strfry.conf. */
export const blockName = (plugin: string): string =>
  plugin.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/**
 * Imports a plugin: a built-in (plugins/ or policies/) by its name, a file by its path (from the working directory),
 * or a package of node_modules by its name. Throws a sentence for what is not there or is no plugin.
 */
export async function importPlugin(name: string): Promise<Plugin> {
  if (name.startsWith(EXEC)) return childPlugin({ command: name.slice(EXEC.length) })
  const module = await importModule(name, locate(name))
  // Where no package.json says "module", tsx makes CommonJS of TypeScript, whose default export lies one deeper.
  const plugin = module.default?.default ?? module.default
  if (typeof plugin?.name !== 'string' || typeof plugin.setup !== 'function' || !plugin.options)
    throw new Error(`plugin "${name}" has no default export made by definePlugin or definePolicy`)
  return plugin as Plugin
}

/** The file's URL, or the name itself where it may be a package. */
function locate(name: string): string {
  if (/^[./\\]|\.[cm]?[jt]s$/.test(name)) {
    const file = resolve(name)
    if (existsSync(file) && !/\.[cm]?[jt]s$/.test(file))
      throw new Error(`plugin "${name}" is no JavaScript: a program goes by "${EXEC}${name}"`)
    if (existsSync(file)) return pathToFileURL(file).href
    throw new Error(`plugin "${name}" is not there: no such file as ${file}`)
  }
  const ending = extname(import.meta.url)
  const places = [`../plugins/${name}/index${ending}`, `../policies/${name}${ending}`]
  const builtIn = places.map(place => new URL(place, import.meta.url)).find(existsSync)
  return builtIn?.href ?? name
}

type Exported = Partial<Plugin> & { default?: Partial<Plugin> }

async function importModule(name: string, found: string): Promise<{ default?: Exported }> {
  if (needsTsx(found)) {
    const tsx = await import('tsx/esm/api').catch(cause => {
      throw new Error(`plugin "${name}" is TypeScript, which needs Node 22.18 or tsx here`, {
        cause,
      })
    })
    return tsx.tsImport(found, import.meta.url)
  }
  try {
    return await import(found)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
    if (!missing || found !== name) throw error
    throw new Error(
      `plugin "${name}" is not there: it needs to be a built-in name, a file's path or an installed package`,
    )
  }
}

/** From source tsx is at work already; a newer Node takes types off by itself. */
const needsTsx = (url: string): boolean =>
  /\.[cm]?ts$/.test(url) &&
  !import.meta.url.endsWith('.ts') &&
  !(process.features as { typescript?: unknown }).typescript
