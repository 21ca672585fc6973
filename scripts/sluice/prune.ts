import { parseArgs } from 'node:util'
import { type Filter, kinds, type NostrEvent, sessionKinds } from '../../events/index.ts'
import { describe } from '../../relay/describe.ts'
import { BATCH, sharedWriter } from './batches.ts'
import { readFilter, readTime } from './check.ts'
import { openDatabase, whereOptions } from './open.ts'
import { progress, thousands } from './progress.ts'

/** Taken out only when --kinds names them: without a deletion its event comes back, and the rest is about money. */
const SPARED = new Set([kinds.Deletion, kinds.Vanish, ...sessionKinds, kinds.AccessGrant])

const UNITS: Record<string, number> = { h: 3600, d: 86_400, w: 604_800, y: 31_536_000 }

/**
 * Takes old events out of the database, in small transactions beside a running relay. Gives the counts as a sentence;
 * throws one where no time bounds it.
 */
export async function pruneEvents(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  // 1. What is asked for.
  const { values } = parseArgs({
    args,
    options: {
      ...whereOptions,
      'older-than': { type: 'string' },
      before: { type: 'string' },
      kinds: { type: 'string' },
      filter: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
    },
  })
  const named = readKinds(values.kinds)
  const filter = bounded(readFilter(values.filter), named, boundOf(values))
  const dryRun = values['dry-run']

  // 2. Page by page.
  const { store } = openDatabase(values, env)
  const write = sharedWriter(store)
  const bar = progress(dryRun ? 'prune (dry run)' : 'prune')
  const taken = new Map<number, number>()
  let spared = 0
  let seen = 0
  try {
    const scan = store.scan(filter, { oldestFirst: true })
    const total = await scan.total()
    for await (const raws of scan.pages) {
      const all = raws.map(raw => JSON.parse(raw) as NostrEvent)
      const events = all.filter(({ kind }) => named?.includes(kind) || !SPARED.has(kind))
      spared += all.length - events.length
      for (let at = 0; at < events.length; at += BATCH) {
        const batch = events.slice(at, at + BATCH)
        const gone = dryRun
          ? batch
          : await write(async tx => {
              const removed: NostrEvent[] = []
              for (const event of batch) if (await tx.removeEvent(event.id)) removed.push(event)
              return removed
            })
        for (const { kind } of gone) taken.set(kind, (taken.get(kind) ?? 0) + 1)
      }
      seen += all.length
      bar.update(seen, Math.min(1, seen / total))
    }
  } catch (cause) {
    throw new Error(`prune stopped: ${describe(cause)}. ${summary(taken, dryRun)}`, { cause })
  } finally {
    bar.end()
    await store.close()
  }

  // 3. What came of it.
  const kept = `${thousands(spared)} of kinds ${[...SPARED].join(', ')} stay: name them with --kinds to take them out`
  return spared > 0 ? `${summary(taken, dryRun)}\n${kept}` : summary(taken, dryRun)
}

function summary(taken: ReadonlyMap<number, number>, dryRun: boolean): string {
  const total = [...taken.values()].reduce((sum, count) => sum + count, 0)
  const byKind = [...taken]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .map(([kind, count]) => `kind ${kind}: ${thousands(count)}`)
  const what = dryRun ? 'would be taken out' : 'taken out'
  return `${thousands(total)} events ${what}${total > 0 ? ` (${byKind.join(', ')})` : ''}`
}

/** Only events made before this, unix seconds. */
function boundOf(values: { 'older-than'?: string; before?: string }): number {
  const before = readTime(values.before, '--before')
  const age = values['older-than']
  if (before !== undefined && age !== undefined)
    throw new Error('take either --older-than or --before, not both')
  if (before !== undefined) return before
  if (age === undefined)
    throw new Error('prune needs a bound: --older-than 30d, or --before with unix seconds')
  const [, count, unit = ''] = /^(\d{1,6})([hdwy])$/.exec(age) ?? []
  const seconds = UNITS[unit]
  if (count === undefined || seconds === undefined)
    throw new Error(`--older-than needs a number and h, d, w or y, as in 30d, not "${age}"`)
  return Math.floor(Date.now() / 1000) - Number(count) * seconds
}

function readKinds(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,5}(,\d{1,5})*$/.test(text))
    throw new Error(`--kinds needs numbers with commas, as in 1,7,1311, not "${text}"`)
  return text.split(',').map(Number)
}

function bounded(filter: Filter, named: number[] | undefined, before: number): Filter {
  if (filter.limit !== undefined) throw new Error('a filter to prune by has no limit')
  if (named && filter.kinds) throw new Error('name the kinds once, with --kinds or in the filter')
  if (before === 0) return { ...filter, kinds: [] }
  return {
    ...filter,
    ...(named ? { kinds: named } : {}),
    until: Math.min(before - 1, filter.until ?? before),
  }
}
