import { z } from 'zod'
import { type Collection, collection, type Store, type Tx } from '../plugin.ts'

const entry = z.object({ reason: z.string(), by: z.string(), at: z.number() })
export type Entry = z.output<typeof entry>

/** One list of the operator's: in the store, and in memory for the policies that ask it for each event. */
export interface List {
  has(key: string): boolean
  readonly size: number
  entries(): { key: string; entry: Entry }[]
  /** In a transaction; what is in memory follows with `reload`. */
  put(tx: Tx, key: string, entry: Entry): Promise<void>
  remove(tx: Tx, key: string): Promise<void>
}

const NAMES = [
  'banned-pubkey',
  'allowed-pubkey',
  'banned-event',
  'allowed-event',
  'allowed-kind',
  'disallowed-kind',
  'blocked-ip',
] as const
export type ListName = (typeof NAMES)[number]

/** What the operator has decided, by name of the list. `reload` after each transaction that changed one. */
export async function openLists(store: Store) {
  const memory = new Map<ListName, Map<string, Entry>>()
  const collections = new Map<ListName, Collection<Entry>>(
    NAMES.map(name => [name, collection(name, entry)]),
  )
  const of = (name: ListName): Collection<Entry> => {
    const found = collections.get(name)
    if (!found) throw new Error(`there is no list ${name}`)
    return found
  }

  async function reload(name: ListName): Promise<void> {
    const rows = await of(name).list(store)
    memory.set(name, new Map(rows.map(({ key, value }) => [key, value])))
  }
  for (const name of NAMES) await reload(name)

  return {
    reload,
    list(name: ListName): List {
      const now = () => memory.get(name) ?? new Map<string, Entry>()
      return {
        has: key => now().has(key),
        get size() {
          return now().size
        },
        entries: () => [...now()].map(([key, entry]) => ({ key, entry })),
        put: async (tx, key, value) => of(name).put(tx, key, value),
        remove: async (tx, key) => of(name).delete(tx, key),
      }
    },
  }
}
export type Lists = Awaited<ReturnType<typeof openLists>>
