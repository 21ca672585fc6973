import type { Filter, NostrEvent } from '../../../events/index.ts'
import type { Clock } from '../../../plugins/plugin.ts'
import { isImpossible, matcher } from '../../filter.ts'
import type { QueryOptions, QueryResult, Visibility } from '../store.ts'
import { type startSearch, wordsOf } from './search.ts'

/** What the index names is looked at in pages of so many, and no further than this. */
const PAGE = 200
const MAX_LOOKED_AT = 5000

/** Answers filters of which some search: those by relevance, the others as ever; each event once. Source: NIP-50. */
export function searched(options: {
  search: Pick<ReturnType<typeof startSearch>, 'find'>
  bySeq(seq: number): { raw: string; expires: number | null } | undefined
  query(filters: readonly Filter[], options: QueryOptions): QueryResult
  clock: Clock
}) {
  const { search, bySeq, clock } = options

  async function find(
    { search: text = '', ...filter }: Filter,
    limit: number,
    visibility: Visibility | undefined,
  ): Promise<{ raws: string[]; complete: boolean }> {
    if (limit === 0 || isImpossible(filter)) return { raws: [], complete: limit > 0 }
    const words = wordsOf(text)
    const matches = matcher(filter)
    const raws: string[] = []
    for (let offset = 0; offset < MAX_LOOKED_AT; offset += PAGE) {
      const seqs = await search.find(words, PAGE, offset)
      for (const seq of seqs) {
        const row = bySeq(seq)
        if (!row || (row.expires !== null && row.expires <= clock.now() / 1000)) continue
        const event = JSON.parse(row.raw) as NostrEvent
        if (!matches(event) || (visibility && !visibility.test(event))) continue
        raws.push(row.raw)
        if (raws.length === limit) return { raws, complete: false }
      }
      if (seqs.length < PAGE) return { raws, complete: true }
    }
    return { raws, complete: false }
  }

  return async (filters: readonly Filter[], queryOptions: QueryOptions): Promise<QueryResult> => {
    const { visibility, maxLimit } = queryOptions
    const searching = filters.filter(({ search = '' }) => wordsOf(search) !== '')
    const others = filters.filter(filter => !searching.includes(filter))
    // First what needs no waiting: the answer's seq is theirs.
    const plain = options.query(others, queryOptions)
    const raws = new Set<string>()
    let { complete } = plain
    for (const filter of searching) {
      const found = await find(filter, Math.min(filter.limit ?? maxLimit, maxLimit), visibility)
      for (const raw of found.raws) raws.add(raw)
      complete &&= found.complete
    }
    for (const raw of plain.raws) raws.add(raw)
    return { raws: [...raws], seq: plain.seq, complete }
  }
}
