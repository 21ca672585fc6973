import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { describe } from '../../relay/describe.ts'
import { backupDatabase } from '../../relay/store/sqlite/backup.ts'
import { findDatabase, whereOptions } from './open.ts'
import { progress, thousands } from './progress.ts'

const MB = 1_000_000

/**
 * Copies the database of a relay, running or not, into one new file and checks the copy. Gives a sentence; throws
 * one, and leaves no file, where that did not work.
 */
export async function backUp(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: whereOptions,
  })
  const [target = '', ...more] = positionals
  if (target === '' || more.length > 0) throw new Error('name one file to copy the database to')
  const { file } = findDatabase(values, env)
  const bar = progress('backup, MB')
  const began = performance.now()
  try {
    await backupDatabase(file, target, share =>
      bar.update(Math.round((statSync(file).size * share) / MB), share),
    )
  } catch (cause) {
    throw new Error(`no backup was made: ${describe(cause)}`, { cause })
  } finally {
    bar.end()
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const size = thousands(Math.ceil(statSync(target).size / MB))
  return `${target}: ${size} MB in ${seconds} s, checked. The relay's key is not in it: keep ${join(dirname(file), 'relay.key')} as well`
}
