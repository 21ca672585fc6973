import type { Database } from 'better-sqlite3'
import type { Filter } from '../../../events/index.ts'
import { isImpossible, tagConditions } from '../../filter.ts'
import type { Scan } from '../store.ts'

interface Row {
  created_at: number
  tie: number
  seq: number
  raw: string
}

type Value = string | number | Buffer

const PAGE = 500
const END_OF_TIME = Number.MAX_SAFE_INTEGER

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const marks = (values: readonly unknown[]): string => values.map(() => '?').join(',')

/**
 * Walks over all matches along the index of time, each page from where the last one ended: memory stays the
 * same however many there are, and no snapshot is held that would keep the WAL from being reset.
 */
export function scanVerb(db: Database, clock: { now(): number }) {
  return (filter: Filter, { oldestFirst = false }: { oldestFirst?: boolean }): Scan => {
    const { where, params } = conditions(filter, Math.floor(clock.now() / 1000))
    // Any other index would be sorted anew for each page; ids are few and have one of their own.
    const from = filter.ids ? 'event e' : 'event e INDEXED BY event_time'
    const rows = (place: string, order: string) =>
      db.prepare<Value[], Row>(
        `SELECT e.created_at, e.tie, e.seq, e.raw FROM ${from} WHERE ${[place, ...where].join(' AND ')} ORDER BY ${order} LIMIT ?`,
      )
    // `tie` orders a second's events as their ids do; `seq`, which is last in every index, tells equal ones apart.
    const [after, later, byTime, byTie] = oldestFirst
      ? ['<', '>', 'e.created_at, e.tie DESC, e.seq DESC', 'e.tie DESC, e.seq DESC']
      : ['>', '<', 'e.created_at DESC, e.tie, e.seq', 'e.tie, e.seq']
    const sameSecond = rows(`e.created_at = ? AND (e.tie, e.seq) ${after} (?, ?)`, byTie)
    const beyond = rows(`e.created_at ${later} ?`, byTime)

    async function* pages(): AsyncGenerator<readonly string[]> {
      let left = isImpossible(filter) ? 0 : (filter.limit ?? END_OF_TIME)
      let time = oldestFirst ? -1 : END_OF_TIME
      let tie = 0
      let seq = 0
      while (left > 0) {
        const size = Math.min(PAGE, left)
        const page = sameSecond.all(time, tie, seq, ...params, size)
        if (page.length < size) page.push(...beyond.all(time, ...params, size - page.length))
        const last = page.at(-1)
        if (!last) return
        time = last.created_at
        tie = last.tie
        seq = last.seq
        left -= page.length
        yield page.map(row => row.raw)
      }
    }

    return {
      total() {
        if (isImpossible(filter)) return 0
        const sql = `SELECT count(*) FROM ${from} WHERE ${where.join(' AND ')}`
        const all = db
          .prepare<Value[], number>(sql)
          .pluck()
          .get(...params)
        return Math.min(all ?? 0, filter.limit ?? END_OF_TIME)
      },
      pages: pages(),
    }
  }
}

/** A filter as conditions on each row; NIP-40's expired events are none. */
function conditions(filter: Filter, now: number): { where: string[]; params: Value[] } {
  const where = ['(e.expires IS NULL OR e.expires > ?)']
  const params: Value[] = [now]
  const also = (sql: string, ...values: Value[]) => {
    where.push(sql)
    params.push(...values)
  }
  const { authors, ids, kinds, since, until } = filter
  if (since !== undefined) also('e.created_at >= ?', since)
  if (until !== undefined) also('e.created_at <= ?', until)
  if (ids) also(`e.id IN (${marks(ids)})`, ...ids.map(hex))
  if (authors) also(`e.pubkey IN (${marks(authors)})`, ...authors.map(hex))
  if (kinds) also(`e.kind IN (${marks(kinds)})`, ...kinds)
  for (const { letter, values } of tagConditions(filter))
    also(
      `EXISTS (SELECT 1 FROM tag x WHERE x.key IN (${marks(values)}) AND x.created_at = e.created_at AND x.tie = e.tie AND x.seq = e.seq)`,
      ...values.map(value => letter + value),
    )
  return { where, params }
}
