import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../../relay/config/config.ts'
import { blockName } from '../../relay/loader.ts'
import { pluginTemplate, type TemplateOptions, testTemplate } from './plugin-templates.ts'

/**
 * Writes <name>.ts and <name>.test.ts into the folder `cwd`, which run as they are; with --js as JavaScript. Gives what
 * to do next; throws a sentence for a bad name and for files that are there already.
 */
export function newPlugin(args: string[], env: NodeJS.ProcessEnv): string {
  const cwd = process.cwd()
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { js: { type: 'boolean', default: false }, config: { type: 'string' } },
  })
  const [name = ''] = positionals
  if (!/^[a-z][a-z0-9-]*$/.test(name))
    throw new Error(`"${name}" is no plugin name: lower-case letters, digits and hyphens`)
  const has = (pkg: string): boolean => isInstalled(pkg, cwd)
  const ending = values.js ? (isModuleFolder(cwd) ? 'js' : 'mjs') : 'ts'
  const options: TemplateOptions = {
    name,
    file: `${name}.${ending}`,
    typescript: !values.js,
    uvu: has('uvu'),
  }
  const test = `${name}.test.${ending}`
  for (const file of [options.file, test])
    if (existsSync(join(cwd, file)))
      throw new Error(`${file} is there already: choose another name, or move it away`)
  writeFileSync(join(cwd, options.file), pluginTemplate(options), { flag: 'wx' })
  writeFileSync(join(cwd, test), testTemplate(options), { flag: 'wx' })

  const { config } = loadConfig({ file: values.config, set: [], env })
  const plugins = [`./${options.file}`, ...config.plugins].map(one => `"${one}"`).join(', ')
  const missing = ['sluice', 'zod'].filter(pkg => !has(pkg))
  return [
    `wrote ${options.file} and ${test}`,
    `  test it:  node ${values.js || stripsTypes() ? '' : '--import tsx '}${test}`,
    '  load it:  in strfry.conf, in the order in which they are asked',
    `    plugins = [${plugins}]`,
    `    ${blockName(name)} { words = ["airdrop", "giveaway"] }`,
    ...(missing.length > 0
      ? [`  this folder cannot import ${missing.join(' and ')} yet: work in the relay's own folder`]
      : []),
  ].join('\n')
}

function isInstalled(pkg: string, cwd: string): boolean {
  try {
    createRequire(join(cwd, 'x.js')).resolve(pkg)
    return true
  } catch {
    return false
  }
}

/** Whether Node takes a .js file here for a module: the nearest package.json says so. */
function isModuleFolder(folder: string): boolean {
  const file = join(folder, 'package.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')).type === 'module'
  return dirname(folder) !== folder && isModuleFolder(dirname(folder))
}

const stripsTypes = (): boolean =>
  Boolean((process.features as { typescript?: unknown }).typescript)
