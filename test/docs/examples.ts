import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The texts of a page's fenced blocks with that opening. Example: `blocks(page, 'ts runnable')`. */
export const blocks = (page: string, opening: string): string[] =>
  [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)]
    .filter(([, info]) => info === opening)
    .map(([, , text = '']) => text)

export const pageText = (path: string): string => readFileSync(join(root, path), 'utf8')

/**
 * Makes `dir` somebody's folder with sluice (built) and `packages` installed and a page's runnable examples in it, each
 * under the name in its first comment. Gives the names.
 */
export function writeExamples(dir: string, page: string, packages: readonly string[]): string[] {
  assert.ok(existsSync(join(root, 'dist/plugins/plugin.js')), 'npm run build comes first')
  mkdirSync(join(dir, 'node_modules'))
  symlinkSync(root, join(dir, 'node_modules/sluice'))
  for (const name of packages)
    symlinkSync(join(root, 'node_modules', name), join(dir, 'node_modules', name))
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  return blocks(page, 'ts runnable').map(text => {
    const name = /^\/\/ (\S+\.ts)/.exec(text)?.[1]
    assert.ok(name, `an example begins with a comment that names its file: ${text.slice(0, 60)}`)
    writeFileSync(join(dir, name ?? ''), text)
    return name ?? ''
  })
}

/** What the compiler says of the files, strictly; nothing when they have the types that they say. */
export async function typeProblems(dir: string, files: readonly string[]): Promise<string> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const flags = '--noEmit --strict --skipLibCheck --module nodenext --target es2023 --types node'
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [tsc, ...flags.split(' '), ...files],
    { cwd: dir },
  ).catch(error => ({ stdout: String(error.stdout || error) }))
  return stdout
}
