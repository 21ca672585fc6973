import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Every *.test.ts below a folder, in the order of their names. */
export function findSuites(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.test.ts'))
    .map(file => join(folder, file))
    .sort()
}
