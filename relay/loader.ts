import { existsSync, readFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from '../plugins/plugin.ts'
import { childPlugin } from './child-plugin/index.ts'

/** `exec:./no-spam.py`: a program that speaks strfry's plugin protocol, run as a child. */
const EXEC = 'exec:'

/** `live-stream` -> `liveStream`: the name of the plugin's block in strfry.conf. */
export const blockName = (plugin: string): string =>
  plugin.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** The file of a plugin that is named by its path; undefined for built-in ones, packages and programs. */
export const pluginFile = (name: string): string | undefined =>
  !name.startsWith(EXEC) && /^[./\\]|\.[cm]?[jt]s$/.test(name) ? resolve(name) : undefined

/**
 * Imports a plugin: a built-in (plugins/ or policies/) by its name, a file by its path (from the working directory),
 * or a package by its name, from a node_modules of the working directory or of Sluice. Throws a sentence for what is not
 * there or is no plugin. With `files` (a plugin's own) they are read again, whatever was imported before.
 */
export async function importPlugin(name: string, files?: readonly string[]): Promise<Plugin> {
  if (name.startsWith(EXEC)) return childPlugin({ command: name.slice(EXEC.length) })
  const module = await importModule(name, locate(name) + (files ? freshened(files) : ''))
  // Where no package.json says "module", tsx makes CommonJS of TypeScript, whose default export lies one deeper.
  const plugin = module.default?.default ?? module.default
  if (typeof plugin?.name !== 'string' || typeof plugin.setup !== 'function' || !plugin.options)
    throw new Error(`plugin "${name}" has no default export made by definePlugin or definePolicy`)
  return plugin as Plugin
}

const { cache } = createRequire(import.meta.url)
let imports = 0

/** The query that makes files new to the ES module loader; CommonJS is told to forget them. */
function freshened(files: readonly string[]): string {
  // A thread for the hook: only a relay that loads something anew pays for it.
  if (imports === 0) register(`./fresh-hook${extname(import.meta.url)}`, import.meta.url)
  imports += 1
  for (const key of Object.keys(cache))
    if (files.includes(key.replace(/\?.*/, ''))) delete cache[key]
  return `?fresh=${imports}`
}

/** The file's URL, or the name itself where nothing is found. */
function locate(name: string): string {
  const file = pluginFile(name)
  if (file !== undefined) {
    if (!existsSync(file)) throw new Error(`plugin "${name}" is not there: no such file as ${file}`)
    if (/\.[cm]?[jt]s$/.test(file)) return pathToFileURL(file).href
    throw new Error(`plugin "${name}" is no JavaScript: a program goes by "${EXEC}${name}"`)
  }
  const ending = extname(import.meta.url)
  const places = [`../plugins/${name}/index${ending}`, `../policies/${name}${ending}`]
  const builtIn = places.map(place => new URL(place, import.meta.url)).find(existsSync)
  return builtIn?.href ?? packageUrl(name) ?? name
}

/** The main file of a package in a node_modules of the working directory or above it. */
function packageUrl(name: string): string | undefined {
  for (let dir = process.cwd(); ; dir = dirname(dir)) {
    const folder = join(dir, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) {
      const { exports, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = join(folder, mainOf(exports) ?? main ?? 'index.js')
      return pathToFileURL(file).href
    }
    if (dir === dirname(dir)) return undefined
  }
}

/** What `exports` of a package.json gives to an import of its name. */
function mainOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  const conditions = ['.', 'import', 'node', 'default']
  const found = Object.entries(exports).find(([key]) => conditions.includes(key))
  return found && mainOf(found[1])
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
  /\.[cm]?ts(\?.*)?$/.test(url) &&
  !import.meta.url.endsWith('.ts') &&
  !(process.features as { typescript?: unknown }).typescript
