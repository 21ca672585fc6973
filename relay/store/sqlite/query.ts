import type { Database, Statement } from 'better-sqlite3'
import type { Filter, NostrEvent } from '../../../events/index.ts'
import { isImpossible } from '../../filter.ts'
import { hllOffset, hyperLogLog } from '../../hyperloglog.ts'
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

/**
 * Reads on one connection. The writer commits on this same thread, so nothing of ours changes between the
 * statements of one synchronous call: `newestSeq` and the rows are of one snapshot.
 */
export function queries(db: Database, clock: { now(): number }, newestSeq: () => number) {
  const statements = new Map<string, Statement<unknown[], Row>>()
  const plucked = new Map<string, Statement<unknown[], string>>()

  function prepare(sql: string): Statement<unknown[], Row> {
    const known = statements.get(sql)
    if (known) return known
    if (statements.size >= REMEMBERED_STATEMENTS) statements.clear()
    const statement = db.prepare<unknown[], Row>(sql)
    statements.set(sql, statement)
    return statement
  }

  const run = (plan: Plan, limit: number): Row[] => prepare(plan.sql).all(...plan.params, { limit })

  /** The common question, one filter over kinds that everybody may see, needs nothing of a row but its text. */
  function rawsOf(filter: Filter, limit: number): string[] {
    const plan = planFilter(filter, Math.floor(clock.now() / 1000), 'raw')
    let statement = plucked.get(plan.sql)
    if (!statement) {
      if (plucked.size >= REMEMBERED_STATEMENTS) plucked.clear()
      statement = db.prepare<unknown[], string>(plan.sql).pluck()
      plucked.set(plan.sql, statement)
    }
    return statement.all(...plan.params, { limit })
  }

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
      const seq = newestSeq()
      const limitOf = (filter: Filter) => Math.min(filter.limit ?? maxLimit, maxLimit)
      const [only] = filters
      if (filters.length === 1 && only && isOpen(only, visibility)) {
        const limit = limitOf(only)
        const raws = limit === 0 || isImpossible(only) ? [] : rawsOf(only, limit)
        return { raws, seq, complete: raws.length < limit }
      }
      const results = filters.map(filter => rowsOf(filter, limitOf(filter), visibility))
      const complete = results.every(result => result.complete)
      const rows = merge(results.map(result => result.rows))
      return { raws: rows.map(row => row.raw), seq, complete }
    },

    all: (filters: readonly Filter[]): string[] =>
      merge(filters.map(filter => rowsOf(filter, filter.limit ?? UNLIMITED, undefined).rows)).map(
        row => row.raw,
      ),

    /** NIP-77: what one side of a reconciliation has. */
    items(filters: readonly Filter[], visibility: Visibility | undefined, max: number) {
      const rows = merge(
        filters.map(one => rowsOf(one, Math.min(one.limit ?? max + 1, max + 1), visibility).rows),
      )
      if (rows.length > max) return undefined
      return rows.map(row => ({ createdAt: row.created_at, id: row.id.toString('hex') }))
    },

    /** NIP-45. Counts each visible event once, whatever number of filters it matches. */
    count(filters: readonly Filter[], visibility: Visibility | undefined): CountResult {
      const rows = merge(
        filters.map(one => rowsOf({ ...one, limit: undefined }, UNLIMITED, visibility).rows),
      )
      const [only] = filters
      const offset = filters.length === 1 && only ? hllOffset(only) : undefined
      if (offset === undefined) return { count: rows.length }
      const authors = new Set(rows.map(row => (JSON.parse(row.raw) as NostrEvent).pubkey))
      return { count: rows.length, hll: hyperLogLog(authors, offset) }
    },
  }
}

/** True when no event that the filter can match needs to pass `visible`. */
const isOpen = (filter: Filter, visibility: Visibility | undefined): boolean => {
  if (!visibility) return true
  const { kinds } = visibility
  return (
    kinds !== 'all' && filter.kinds !== undefined && !filter.kinds.some(kind => kinds.has(kind))
  )
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
