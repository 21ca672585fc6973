import type { Database, Statement } from 'better-sqlite3'
import type { Filter } from '../../../events/index.ts'
import { isImpossible } from '../../filter.ts'
import type { CountResult, QueryOptions, QueryResult, Visibility } from '../store.ts'
import { type Plan, planFilter } from './plan.ts'

interface Row {
  created_at: number
  id: Buffer
  kind: number
  raw: string
}

const REMEMBERED_STATEMENTS = 1000
const UNLIMITED = Number.MAX_SAFE_INTEGER

/** Reads on a connection of its own: each call sees one committed snapshot, while writes go on. */
export function queries(db: Database, clock: { now(): number }) {
  const statements = new Map<string, Statement<unknown[], Row>>()
  const newestSeq = db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM event').pluck()
  const lastSeq = db
    .prepare<[], number>(
      "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)",
    )
    .pluck()

  function prepare(sql: string): Statement<unknown[], Row> {
    const known = statements.get(sql)
    if (known) return known
    if (statements.size >= REMEMBERED_STATEMENTS) statements.clear()
    const statement = db.prepare<unknown[], Row>(sql)
    statements.set(sql, statement)
    return statement
  }

  const run = (plan: Plan, limit: number): Row[] => prepare(plan.sql).all(...plan.params, { limit })

  /** A filter's visible rows. Hidden ones do not use up the limit, so it asks again for more where some were. */
  function rowsOf(filter: Filter, limit: number, visibility: Visibility | undefined) {
    if (limit === 0 || isImpossible(filter)) return { rows: [], complete: limit > 0 }
    const plan = planFilter(filter, Math.floor(clock.now() / 1000))
    for (let ask = limit; ; ask *= 4) {
      const found = run(plan, ask)
      const rows = visibility ? found.filter(row => isVisible(row, visibility)) : found
      if (rows.length >= limit || found.length < ask)
        return { rows: rows.slice(0, limit), complete: found.length < limit }
    }
  }

  return {
    query(filters: readonly Filter[], { visibility, maxLimit }: QueryOptions): QueryResult {
      return db.transaction(() => {
        const seq = Math.max(newestSeq.get() ?? 0, lastSeq.get() ?? 0)
        const results = filters.map(filter =>
          rowsOf(filter, Math.min(filter.limit ?? maxLimit, maxLimit), visibility),
        )
        const complete = results.every(result => result.complete)
        const [only] = results
        const rows = results.length === 1 && only ? only.rows : merge(results.map(r => r.rows))
        return { raws: rows.map(row => row.raw), seq, complete }
      })()
    },

    all: (filters: readonly Filter[]): string[] =>
      merge(filters.map(filter => rowsOf(filter, filter.limit ?? UNLIMITED, undefined).rows)).map(
        row => row.raw,
      ),

    /** NIP-45. Counts each visible event once, whatever number of filters it matches. */
    count(filters: readonly Filter[], visibility: Visibility | undefined): CountResult {
      const rows = filters.map(
        filter => rowsOf({ ...filter, limit: undefined }, UNLIMITED, visibility).rows,
      )
      return { count: merge(rows).length }
    },
  }
}

function isVisible(row: Row, visibility: Visibility): boolean {
  const asked = visibility.kinds === 'all' || visibility.kinds.has(row.kind)
  return !asked || visibility.test(JSON.parse(row.raw))
}

/** Newest first, equal times by lowest id, each event once. */
function merge(lists: Row[][]): Row[] {
  if (lists.length === 1) return lists[0] ?? []
  const seen = new Set<string>()
  return lists
    .flat()
    .sort((a, b) => b.created_at - a.created_at || Buffer.compare(a.id, b.id))
    .filter(row => {
      const id = row.id.toString('latin1')
      return !seen.has(id) && seen.add(id)
    })
}
