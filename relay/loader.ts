import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from '../plugins/plugin.ts'
import { childPlugin } from './child-plugin/index.ts'
import { located, sourceFiles } from './plugin-files.ts'

/** `exec:./no-spam.py`: a program that speaks strfry's plugin protocol, run as a child. */
const EXEC = 'exec:'

/** `live-stream` -> `liveStream`: the name of the plugin's block in strfry.conf. */
export const blockName = (plugin: string): string =>
  plugin.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** What a plugin is made of, where that may change: a file, or a package, with all that it imports of its own. */
export function pluginFiles(name: string): string[] | undefined {
  if (name.startsWith(EXEC)) return undefined
  const file = pluginFile(name)
  if (file !== undefined) return sourceFiles(file)
  const folder = builtIn(name) ? undefined : packageFolder(name)
  if (folder === undefined) return undefined
  const manifest = join(folder, 'package.json')
  try {
    return [manifest, ...sourceFiles(mainFile(folder))]
  } catch {
    // Half written; importing it says so.
    return [manifest]
  }
}

const pluginFile = (name: string): string | undefined =>
  /^[./\\]|\.[cm]?[jt]s$/.test(name) ? resolve(name) : undefined

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
  const found = builtIn(name)
  if (found !== undefined) return found
  const folder = packageFolder(name)
  return folder === undefined ? name : pathToFileURL(mainFile(folder)).href
}

function builtIn(name: string): string | undefined {
  const ending = extname(import.meta.url)
  const places = [`../plugins/${name}/index${ending}`, `../policies/${name}${ending}`]
  return places.map(place => new URL(place, import.meta.url)).find(existsSync)?.href
}

/** A package in a node_modules of the working directory or of Sluice, or above them. */
function packageFolder(name: string): string | undefined {
  for (const start of [process.cwd(), dirname(fileURLToPath(import.meta.url))])
    for (let dir = start, below = ''; dir !== below; below = dir, dir = dirname(dir)) {
      const folder = join(dir, 'node_modules', name)
      // A link (npm link, a workspace) is imported by where it leads.
      if (existsSync(join(folder, 'package.json'))) return realpathSync(folder)
    }
  return undefined
}

function mainFile(folder: string): string {
  const { exports, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = join(folder, mainOf(exports) ?? main ?? 'index.js')
  return located(file) ?? file
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
