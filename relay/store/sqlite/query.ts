import type { Database } from 'better-sqlite3'
import type { Filter } from '../../../events/index.ts'
import { isImpossible } from '../../filter.ts'
import { hllOffset, hyperLogLog } from '../../hyperloglog.ts'
import type { CountResult, QueryOptions, QueryResult, Visibility } from '../store.ts'
import { onlyOne, planFilter } from './plan.ts'

interface Row {
  created_at: number
  id: Buffer
  kind: number
  pubkey: Buffer
  raw: string
}

/** Statements are kept by their texts, of which there is no end where strangers ask. */
const REMEMBERED_CHARACTERS = 4_000_000
const LONGEST_REMEMBERED = 40_000
const UNLIMITED = Number.MAX_SAFE_INTEGER

/**
 * Reads on one connection. The writer commits on this same thread, so nothing of ours changes between the
 * statements of one synchronous call: `newestSeq` and the rows are of one snapshot.
 */
export function queries(db: Database, clock: { now(): number }, newestSeq: () => number) {
  const kinds = db
    .prepare<[Buffer, Buffer], number>(
      `WITH RECURSIVE one (kind) AS (
         SELECT min(kind) FROM event WHERE pubkey = ?
         UNION ALL
         SELECT (SELECT min(kind) FROM event WHERE pubkey = ? AND kind > one.kind)
         FROM one WHERE one.kind IS NOT NULL
       ) SELECT kind FROM one WHERE kind IS NOT NULL`,
    )
    .pluck()
  const kindsOf = (author: string): number[] => {
    const pubkey = Buffer.from(author, 'hex')
    return kinds.all(pubkey, pubkey)
  }
  const plan = (filter: Filter, wanted: Parameters<typeof planFilter>[1]) =>
    planFilter(filter, wanted, { now: Math.floor(clock.now() / 1000), kindsOf })
  const rowStatements = remember(sql => db.prepare<unknown[], Row>(sql))
  const kindStatements = remember(sql => db.prepare<unknown[], [number, string]>(sql).raw())
  const where = (column: 'id' | 'address') =>
    db
      .prepare<[Buffer | string, number], [number, string]>(
        `SELECT kind, raw FROM event WHERE ${column} = ? AND (expires IS NULL OR expires > ?)`,
      )
      .raw()
  const [withId, atAddress] = [where('id'), where('address')]
  const authorStatements = remember(sql => db.prepare<unknown[], Buffer>(sql).pluck())
  const rawStatements = remember(sql => db.prepare<unknown[], string>(sql).pluck())

  /**
   * Asks for `limit` matches of which enough are visible: hidden ones do not use up the limit, so it asks again for
   * more where some were.
   */
  function visibleOnes<T>(
    limit: number,
    run: (limit: number) => T[],
    isVisible: (one: T) => boolean,
  ): { found: T[]; complete: boolean } {
    for (let ask = limit; ; ask *= 4) {
      const all = run(ask)
      const found = all.filter(isVisible)
      if (found.length >= limit || all.length < ask)
        return { found: found.slice(0, limit), complete: all.length < limit }
    }
  }

  function rowsOf(filter: Filter, limit: number, visibility: Visibility | undefined) {
    if (limit === 0 || isImpossible(filter)) return { found: [], complete: limit > 0 }
    const { sql, params } = plan(filter, 'rows')
    const statement = rowStatements(sql)
    return visibleOnes(
      limit,
      ask => statement.all(...params, { limit: ask }),
      ({ kind, raw }) => mayShow(kind, raw, visibility),
    )
  }

  /** Looks up what a filter can match one event of; undefined for other filters. What is asked most of all needs no plan. */
  function single(filter: Filter): [kind: number, raw: string][] | undefined {
    const sought = onlyOne(filter)
    if (!sought) return undefined
    const now = Math.floor(clock.now() / 1000)
    const row =
      'id' in sought
        ? withId.get(Buffer.from(sought.id, 'hex'), now)
        : atAddress.get(sought.address, now)
    return row ? [row] : []
  }

  /** One filter, the common question, needs no sorting: less is read of each row. */
  function rawsOf(filter: Filter, limit: number, visibility: Visibility | undefined) {
    if (limit === 0 || isImpossible(filter)) return { found: [], complete: limit > 0 }
    const one = single(filter)?.filter(([kind, raw]) => mayShow(kind, raw, visibility))
    if (one) return { found: one.map(([, raw]) => raw), complete: true }
    if (isOpen(filter, visibility)) {
      const { sql, params } = plan(filter, 'raws')
      const found = rawStatements(sql).all(...params, { limit })
      return { found, complete: found.length < limit }
    }
    const { sql, params } = plan(filter, 'kinds')
    const statement = kindStatements(sql)
    const { found, complete } = visibleOnes(
      limit,
      ask => statement.all(...params, { limit: ask }),
      ([kind, raw]) => mayShow(kind, raw, visibility),
    )
    return { found: found.map(([, raw]) => raw), complete }
  }

  function authorsOf(filter: Filter, limit: number): Buffer[] {
    if (limit === 0 || isImpossible(filter)) return []
    const { sql, params } = plan(filter, 'authors')
    return authorStatements(sql).all(...params, { limit })
  }

  return {
    query(filters: readonly Filter[], { visibility, maxLimit }: QueryOptions): QueryResult {
      const seq = newestSeq()
      const limitOf = (filter: Filter) => Math.min(filter.limit ?? maxLimit, maxLimit)
      const [only] = filters
      if (filters.length === 1 && only) {
        const { found, complete } = rawsOf(only, limitOf(only), visibility)
        return { raws: found, seq, complete }
      }
      const results = filters.map(filter => rowsOf(filter, limitOf(filter), visibility))
      const complete = results.every(result => result.complete)
      const rows = merge(results.map(result => result.found))
      return { raws: rows.map(row => row.raw), seq, complete }
    },

    all(filters: readonly Filter[]): string[] {
      const [only] = filters
      if (filters.length === 1 && only)
        return rawsOf(only, only.limit ?? UNLIMITED, undefined).found
      const lists = filters.map(one => rowsOf(one, one.limit ?? UNLIMITED, undefined).found)
      return merge(lists).map(row => row.raw)
    },

    /** NIP-77: what one side of a reconciliation has. */
    items(filters: readonly Filter[], visibility: Visibility | undefined, max: number) {
      const rows = merge(
        filters.map(one => rowsOf(one, Math.min(one.limit ?? max + 1, max + 1), visibility).found),
      )
      if (rows.length > max) return undefined
      return rows.map(row => ({ createdAt: row.created_at, id: row.id.toString('hex') }))
    },

    /** NIP-45. Counts each visible event once, whatever number of filters it matches; each filter up to `max`; `limit` says nothing here. */
    count(
      filters: readonly Filter[],
      visibility: Visibility | undefined,
      max: number,
    ): CountResult {
      const [only] = filters
      const single = filters.length === 1 && only ? only : undefined
      const authors =
        single && isOpen(single, visibility)
          ? authorsOf(single, max)
          : merge(filters.map(one => rowsOf(one, max, visibility).found)).map(row => row.pubkey)
      const offset = single && hllOffset(single)
      if (offset === undefined) return { count: authors.length }
      const distinct = new Set(authors.map(pubkey => pubkey.toString('hex')))
      return { count: authors.length, hll: hyperLogLog(distinct, offset) }
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

function mayShow(kind: number, raw: string, visibility: Visibility | undefined): boolean {
  if (!visibility || (visibility.kinds !== 'all' && !visibility.kinds.has(kind))) return true
  return visibility.test(JSON.parse(raw))
}

/** What was made for a text is made once, as long as the texts are not too many or too long. */
function remember<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  let characters = 0
  return text => {
    let made = known.get(text)
    if (made !== undefined) return made
    made = make(text)
    if (text.length > LONGEST_REMEMBERED) return made
    characters += text.length
    if (characters > REMEMBERED_CHARACTERS) {
      known.clear()
      characters = text.length
    }
    known.set(text, made)
    return made
  }
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
