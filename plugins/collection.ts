import { z } from 'zod'
import { misfit, plainEncoder } from './plain-encoder.ts'
import type { Awaitable, ListOptions, Reader, Tx } from './store.ts'

/** A typed view on one collection of documents. */
export interface Collection<T> {
  get(reader: Reader, key: string): Promise<T | undefined>
  list(reader: Reader, options?: ListOptions): Promise<{ key: string; value: T }[]>
  put(tx: Tx, key: string, value: T): Awaitable<void>
  delete(tx: Tx, key: string): Awaitable<void>
}

/**
 * Names a collection and its shape; amounts are kept as texts (`amount` below).
 *
 * @example
 * const visits = collection('visits', z.object({ count: z.number(), spent: amount }))
 * await visits.put(tx, pubkey, { count: 1, spent: 10n })
 */
export function collection<T>(name: string, shape: z.ZodType<T>): Collection<T> {
  const decode = (text: string): T => z.decode(shape, JSON.parse(text) as never)
  const plain = plainEncoder(shape, amountEncoder)
  const encode = (value: T): string => {
    const plainly = plain ? plain(value) : misfit
    // What does not fit is for zod to name.
    return JSON.stringify(plainly === misfit ? z.encode(shape, value) : plainly)
  }
  return {
    async get(reader, key) {
      const text = await reader.get(name, key)
      return text === undefined ? undefined : decode(text)
    },
    async list(reader, options) {
      const rows = await reader.list(name, options)
      return rows.map(row => ({ key: row.key, value: decode(row.value) }))
    },
    put: (tx, key, value) => tx.put(name, key, encode(value)),
    delete: (tx, key) => tx.delete(name, key),
  }
}

/** A bigint, kept as a decimal text because JSON numbers lose digits beyond 2^53. */
export const amount = z.codec(z.string().regex(/^-?\d+$/), z.bigint(), {
  decode: text => BigInt(text),
  encode: value => value.toString(),
})
const amountEncoder = new Map([
  [amount, (value: unknown) => (typeof value === 'bigint' ? value.toString() : misfit)],
])
