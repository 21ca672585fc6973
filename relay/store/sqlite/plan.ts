import { addressOf, type Filter, isReplaceable } from '../../../events/index.ts'
import { tagConditions } from '../../filter.ts'

/** One SELECT over events for a filter; `@limit` is bound at each run. */
export interface Plan {
  readonly sql: string
  readonly params: (string | number | bigint | Buffer)[]
}

const ROWS =
  'e.created_at AS created_at, e.tie AS tie, e.id AS id, e.kind AS kind, e.pubkey AS pubkey, e.raw AS raw'
const COLUMNS = {
  /** All that sorting and merging need. */
  rows: ROWS,
  /** For one filter: what `visible` needs to know whether it is asked. */
  kinds: 'e.kind AS kind, e.raw AS raw',
  /** For one filter over kinds that everybody may see. */
  raws: 'e.raw AS raw',
  /** For counting. */
  authors: 'e.pubkey AS pubkey',
}

/** A bare variable here makes SQLite prepare the statement anew at each run, to plan for its value: ten times the price. */
const LIMIT = '@limit + 0'

/** Up to so many (author, kind) pairs or tag values are looked up one by one and merged: SQLite plans more too slowly. */
const MAX_ARMS = 64
/** Nor may they need more variables together than this; SQLite takes 32,766 of them. */
const MAX_ARM_PARAMS = 8192

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const unique = <T>(list: readonly T[] | undefined): readonly T[] | undefined =>
  list && [...new Set(list)]
const marks = (values: readonly unknown[]): string => values.map(() => '?').join(',')

/**
 * Plans a filter: by id, else by its rarest-looking index (tag, author, kind, time). Where an index must be
 * entered at several places, each is an arm with its own LIMIT, so that one prolific author costs no more
 * than another. `kindsOf` tells which kinds an author has here: one arm for each where the filter names none.
 */
export function planFilter(
  filter: Filter,
  wanted: keyof typeof COLUMNS,
  { now, kindsOf }: { now: number; kindsOf(author: string): readonly number[] },
): Plan {
  const columns = COLUMNS[wanted]
  const { since, until } = filter
  const [authors, ids, kinds] = [unique(filter.authors), unique(filter.ids), unique(filter.kinds)]
  const where: string[] = ['(e.expires IS NULL OR e.expires > ?)']
  const params: Plan['params'] = [now]
  const also = (sql: string, ...values: Plan['params']) => {
    where.push(sql)
    params.push(...values)
  }
  if (since !== undefined) also('e.created_at >= ?', since)
  if (until !== undefined) also('e.created_at <= ?', until)
  const tags = tagConditions(filter)

  if (ids) {
    const one = ids.length === 1
    also(one ? 'e.id = ?' : `e.id IN (${marks(ids)})`, ...ids.map(hex))
    if (authors) also(`e.pubkey IN (${marks(authors)})`, ...authors.map(hex))
    if (kinds) also(`e.kind IN (${marks(kinds)})`, ...kinds)
    for (const tag of tags) also(...hasTag(tag))
    return select(columns, where, params, one ? '' : NEWEST_FIRST)
  }

  const address = onlyAddress(filter, tags)
  if (address !== undefined) {
    also('e.address = ?', address)
    return select(columns, where, params, '')
  }

  const [first, ...rest] = tags
  if (first) {
    if (authors) also(`e.pubkey IN (${marks(authors)})`, ...authors.map(hex))
    if (kinds) also(`e.kind IN (${marks(kinds)})`, ...kinds)
    for (const tag of rest) also(...hasTag(tag))
    const keys = first.values.map(value => first.letter + value)
    if (keys.length > MAX_ARMS || keys.length * params.length > MAX_ARM_PARAMS) {
      const bound = where.filter(sql => sql.startsWith('e.created_at')).map(sql => sql.slice(2))
      const some = [...bound, `key IN (${marks(keys)})`].join(' AND ')
      const times = [since, until].filter(time => time !== undefined)
      const from = `(SELECT DISTINCT seq FROM tag WHERE ${some}) t CROSS JOIN event e ON e.seq = t.seq`
      return select(columns, where, [...times, ...keys, ...params], NEWEST_FIRST, from)
    }
    const bounds = where.map(sql => sql.replace(/^e\.created_at/, 't.created_at'))
    const from = 'tag t CROSS JOIN event e ON e.seq = t.seq'
    return arms(
      columns,
      keys.map(key => ({ from, sql: 't.key = ?', params: [key], order: 't' })),
      bounds,
      params,
      keys.length === 1,
    )
  }

  const places = authors
    ? authors.length <= MAX_ARMS
      ? authors.flatMap(author =>
          (kinds ?? kindsOf(author)).map(kind => ({ author: hex(author), kind })),
        )
      : undefined
    : kinds?.map(kind => ({ author: undefined, kind }))
  if (places?.length === 0)
    return { sql: `SELECT ${columns} FROM event e WHERE @limit IS NULL`, params: [] }
  if (places && places.length <= MAX_ARMS) {
    return arms(
      columns,
      places.map(({ author, kind }) => ({
        from: 'event e',
        sql: author ? 'e.pubkey = ? AND e.kind = ?' : 'e.kind = ?',
        params: author ? [author, kind] : [kind],
        order: 'e',
      })),
      where,
      params,
      true,
    )
  }
  if (authors) also(`e.pubkey IN (${marks(authors)})`, ...authors.map(hex))
  if (kinds) also(`e.kind IN (${marks(kinds)})`, ...kinds)
  return select(columns, where, params, NEWEST_FIRST)
}

/**
 * The address that a filter asks for, where it asks for one replaceable event (a profile, a mute list) and nothing else.
 * Not by `#d`: an addressable event may have more d tags than the one that names it.
 */
function onlyAddress({ authors, kinds }: Filter, tags: readonly unknown[]): string | undefined {
  const [kind] = kinds ?? []
  const [pubkey] = authors ?? []
  if (tags.length > 0 || kinds?.length !== 1 || authors?.length !== 1) return undefined
  if (kind === undefined || pubkey === undefined || !isReplaceable(kind)) return undefined
  return addressOf({ kind, pubkey, tags: [] })
}

/** What a filter names that at most one event is: by its id, or by the address of something replaceable. */
export function onlyOne(filter: Filter): { id: string } | { address: string } | undefined {
  for (const name in filter) if (!UNBOUNDED.has(name)) return undefined
  const { ids: [id, ...more] = [], authors, kinds } = filter
  if (id !== undefined) return more.length || authors || kinds ? undefined : { id }
  const address = onlyAddress(filter, [])
  return address === undefined ? undefined : { address }
}

const UNBOUNDED = new Set(['ids', 'authors', 'kinds', 'limit'])
const NEWEST_FIRST = 'ORDER BY e.created_at DESC, e.tie'

function select(
  columns: string,
  where: string[],
  params: Plan['params'],
  order: string,
  from = 'event e',
): Plan {
  const sql = `SELECT ${columns} FROM ${from} WHERE ${where.join(' AND ')} ${order} LIMIT ${LIMIT}`
  return { sql, params }
}

interface Arm {
  from: string
  sql: string
  params: Plan['params']
  /** Whose created_at and tie give the order: the event's, or its tag's. */
  order: 'e' | 't'
}

const newestFirst = ({ order }: Arm): string => `${order}.created_at DESC, ${order}.tie`

function arms(
  columns: string,
  list: Arm[],
  where: string[],
  params: Plan['params'],
  distinct: boolean,
): Plan {
  const one = (arm: Arm, of: string) =>
    `SELECT ${of} FROM ${arm.from} WHERE ${[arm.sql, ...where].join(' AND ')}`
  const [only] = list
  if (list.length === 1 && only) {
    const sql = `${one(only, columns)} ORDER BY ${newestFirst(only)} LIMIT ${LIMIT}`
    return { sql, params: [...only.params, ...params] }
  }
  const union = list.map(
    arm => `SELECT * FROM (${one(arm, ROWS)} ORDER BY ${newestFirst(arm)} LIMIT ${LIMIT})`,
  )
  return {
    sql: `SELECT ${columns} FROM (SELECT ${distinct ? '' : 'DISTINCT '}* FROM (${union.join(' UNION ALL ')})) e ORDER BY e.created_at DESC, e.tie LIMIT ${LIMIT}`,
    params: list.flatMap(arm => [...arm.params, ...params]),
  }
}

function hasTag(tag: { letter: string; values: readonly string[] }): [string, ...string[]] {
  return [
    `EXISTS (SELECT 1 FROM tag x WHERE x.key IN (${marks(tag.values)}) AND x.created_at = e.created_at AND x.tie = e.tie AND x.seq = e.seq)`,
    ...tag.values.map(value => tag.letter + value),
  ]
}
