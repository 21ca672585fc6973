import { once } from 'node:events'
import { parseArgs } from 'node:util'
import type { Filter } from '../../events/index.ts'
import { readFilter, readTime } from './check.ts'
import { openDatabase, whereOptions } from './open.ts'
import { progress, thousands } from './progress.ts'

/**
 * Writes the store's events to stdout, one JSON a line, oldest first (`--reverse`: newest first). Every kind is
 * among them, private ones too. Says on stderr how many there were.
 */
export async function exportEvents(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...whereOptions,
      since: { type: 'string' },
      until: { type: 'string' },
      reverse: { type: 'boolean', default: false },
    },
  })
  if (positionals.length > 1) throw new Error('export takes one filter, in quotes')
  const filter = narrow(
    readFilter(positionals[0]),
    readTime(values.since, '--since'),
    readTime(values.until, '--until'),
  )
  const { store } = openDatabase(values, env)
  const bar = progress('export')
  const out = process.stdout
  let gone = false
  out.on('error', (error: NodeJS.ErrnoException) => {
    // Who reads has had enough (`sluice export | head`).
    if (error.code !== 'EPIPE') throw error
    gone = true
  })
  let written = 0
  try {
    const scan = store.scan(filter, { oldestFirst: !values.reverse })
    const total = await scan.total()
    for await (const raws of scan.pages) {
      const full = !out.write(`${raws.join('\n')}\n`)
      written += raws.length
      bar.update(written, Math.min(1, written / total))
      if (gone) break
      if (full) await once(out, 'drain').catch(() => undefined)
    }
  } finally {
    bar.end()
    await store.close()
  }
  console.error(`${thousands(written)} events exported`)
  return ''
}

/** The filter within the times that the options name as well. */
function narrow(filter: Filter, since: number | undefined, until: number | undefined): Filter {
  return {
    ...filter,
    ...(since === undefined ? {} : { since: Math.max(since, filter.since ?? 0) }),
    ...(until === undefined ? {} : { until: Math.min(until, filter.until ?? until) }),
  }
}
