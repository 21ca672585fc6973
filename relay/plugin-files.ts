import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** A plugin is a few files; where it is more, the rest is not looked at. */
const MAX_FILES = 200
const RELATIVE = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g
/** As written, and as TypeScript and require let one write it. */
const ENDINGS = ['', '.ts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js']

/**
 * The file of a plugin and those that it imports by relative paths, and so on; what is imported in other ways (a name
 * that is put together, a package) is not found.
 *
 * @example
 * sourceFiles('/relay/no-spam.ts') // ['/relay/no-spam.ts', '/relay/words.ts']
 */
export function sourceFiles(entry: string): string[] {
  const found = new Set([entry])
  for (const file of found) {
    if (found.size >= MAX_FILES) break
    if (!/\.[cm]?[jt]s$/.test(file)) continue
    for (const [, , path = ''] of textOf(file).matchAll(RELATIVE)) {
      const imported = located(resolve(dirname(file), path))
      if (imported) found.add(imported)
    }
  }
  return [...found]
}

/** The file that an import of `path` gets, with the ending that was left out. */
export function located(path: string): string | undefined {
  const asTypeScript = path.replace(/\.([cm]?)js$/, '.$1ts')
  return [...ENDINGS.map(ending => path + ending), asTypeScript].find(
    one => existsSync(one) && statSync(one).isFile(),
  )
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Differs as soon as one of the files was written anew, came or went. */
export const versionOf = (files: readonly string[]): string =>
  files
    .map(file => {
      const found = statSync(file, { throwIfNoEntry: false })
      return found ? `${file} ${found.mtimeMs} ${found.size} ${found.ino}` : file
    })
    .join('\n')
