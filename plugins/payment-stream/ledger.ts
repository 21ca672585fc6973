import { z } from 'zod'
import { MAX_AMOUNT } from '../../events/index.ts'
import { amount, collection } from '../collection.ts'
import type { Reader, Tx } from '../plugin.ts'

/**
 * Accounts are texts: `viewer:<pubkey>` (prepaid), `escrow:<session>` (paid, not yet due), `suspense:<session>`
 * (due, not yet shared out to the last unit), `party:<pubkey>` (earned), `grant:<what>` and `rail:<id>` (where
 * money comes from and goes to: these may be negative).
 */
export interface Entry {
  readonly account: string
  readonly amount: bigint
}

export interface Posting {
  /** What it proves (a 5612, a grant's proof, a close): posted once, ever. */
  readonly id: string
  readonly asset: string
  /** Unix ms. */
  readonly at: number
  readonly memo: string
  readonly entries: readonly Entry[]
}

const postingShape = z.object({
  id: z.string(),
  asset: z.string(),
  at: z.number(),
  memo: z.string(),
  entries: z.array(z.object({ account: z.string(), amount })),
})

/** Keyed by time and id, so that it lists in order. */
const journal = collection('journal', postingShape)
/** Posting id -> key in the journal. */
const posted = collection('posted', z.object({ key: z.string() }))
const balances = collection('balance', amount)

const NEVER_NEGATIVE = /^(viewer|escrow|suspense|party):/
const PAGE = 1000

const balanceKey = (asset: string, account: string): string => `${asset} ${account}`
/** The asset has no space in it. */
const accountOf = (key: string): { asset: string; account: string } => {
  const space = key.indexOf(' ')
  return { asset: key.slice(0, space), account: key.slice(space + 1) }
}

/** What an account holds, in the asset's smallest unit. */
export const balanceOf = async (reader: Reader, asset: string, account: string): Promise<bigint> =>
  (await balances.get(reader, balanceKey(asset, account))) ?? 0n

/** True when that id was posted before. */
export const wasPosted = async (reader: Reader, id: string): Promise<boolean> =>
  (await posted.get(reader, id)) !== undefined

/**
 * Posts to the journal and the balances, in the caller's transaction; a second posting of an id does nothing and
 * gives false. Throws (and so undoes the transaction) when the entries do not sum to zero, an amount is beyond
 * 2^63-1, or an account that must not be negative would be: callers look before they post.
 *
 * @example
 * await post(tx, { id, asset: 'CREDIT', at: now, memo: 'welcome', entries: [
 *   { account: 'grant:welcome', amount: -1000n }, { account: `viewer:${pubkey}`, amount: 1000n }] })
 */
export async function post(tx: Tx, posting: Posting): Promise<boolean> {
  if (await wasPosted(tx, posting.id)) return false
  const entries = posting.entries.filter(entry => entry.amount !== 0n)
  const sum = entries.reduce((total, entry) => total + entry.amount, 0n)
  if (sum !== 0n) throw new Error(`ledger: posting ${posting.id} sums to ${sum}, not to zero`)
  for (const [account, change] of perAccount(entries)) {
    const after = (await balanceOf(tx, posting.asset, account)) + change
    const problem = balanceProblem(account, after)
    if (problem) throw new Error(`ledger: posting ${posting.id} ${problem}`)
    await balances.put(tx, balanceKey(posting.asset, account), after)
  }
  const key = `${String(posting.at).padStart(15, '0')} ${posting.id}`
  await journal.put(tx, key, { ...posting, entries })
  await posted.put(tx, posting.id, { key })
  return true
}

function balanceProblem(account: string, after: bigint): string | undefined {
  if (after < 0n && NEVER_NEGATIVE.test(account)) return `would leave ${after} on ${account}`
  if (after > MAX_AMOUNT || after < -MAX_AMOUNT) return `would take ${account} beyond 2^63-1`
  return undefined
}

function perAccount(entries: readonly Entry[]): Map<string, bigint> {
  const changes = new Map<string, bigint>()
  for (const entry of entries)
    changes.set(entry.account, (changes.get(entry.account) ?? 0n) + entry.amount)
  return changes
}

/** Every posting, oldest first. */
export async function* postings(reader: Reader): AsyncGenerator<Posting> {
  for (let after: string | undefined; ; ) {
    const page = await journal.list(reader, { after, limit: PAGE })
    for (const { value } of page) yield value
    if (page.length < PAGE) return
    after = page.at(-1)?.key
  }
}

/** The posting of that id. */
export async function postingOf(reader: Reader, id: string): Promise<Posting | undefined> {
  const found = await posted.get(reader, id)
  return found && journal.get(reader, found.key)
}

/**
 * The newest postings whose id begins with `prefix`, newest first: their ids are read, not the journal. `before` is the
 * `next` of the page before; absent there: that was the last.
 */
export async function newestPostings(
  reader: Reader,
  { prefix, before, limit }: { prefix: string; before?: string; limit: number },
): Promise<{ found: Posting[]; next?: string }> {
  const keys: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await posted.list(reader, { prefix, after, limit: PAGE })
    for (const { value } of page)
      if (before === undefined || value.key < before) keys.push(value.key)
    if (page.length < PAGE) break
    after = page.at(-1)?.key
  }
  const shown = keys.sort().reverse().slice(0, limit)
  const found = await Promise.all(shown.map(key => journal.get(reader, key)))
  return {
    found: found.filter(posting => posting !== undefined),
    next: keys.length > limit ? shown.at(-1) : undefined,
  }
}

/** What moved on one account, oldest first, with the balance after each: an operator's audit trail. */
export async function statement(
  reader: Reader,
  asset: string,
  account: string,
): Promise<{ at: number; id: string; memo: string; amount: bigint; balance: bigint }[]> {
  const lines = []
  let balance = 0n
  for await (const posting of postings(reader)) {
    const change = perAccount(posting.entries).get(account)
    if (posting.asset !== asset || change === undefined) continue
    balance += change
    const { at, id, memo } = posting
    lines.push({ at, id, memo, amount: change, balance })
  }
  return lines
}

/** What every account holds, by asset and account. */
export async function accounts(
  reader: Reader,
): Promise<{ asset: string; account: string; balance: bigint }[]> {
  const rows = await balances.list(reader)
  return rows.map(({ key, value }) => ({ ...accountOf(key), balance: value }))
}

/** The balances that the journal gives, keyed `<asset> <account>`. */
export async function rebuild(reader: Reader): Promise<Map<string, bigint>> {
  const rebuilt = new Map<string, bigint>()
  for await (const { asset, entries } of postings(reader))
    for (const { account, amount } of entries) {
      const key = balanceKey(asset, account)
      rebuilt.set(key, (rebuilt.get(key) ?? 0n) + amount)
    }
  return rebuilt
}

/** A balance that was not what the journal says. */
export interface Correction {
  readonly asset: string
  readonly account: string
  readonly from: bigint
  readonly to: bigint
}

/** Makes the balances what the journal says, in the caller's transaction; gives what it changed. */
export async function rebuildBalances(tx: Tx): Promise<Correction[]> {
  const rebuilt = await rebuild(tx)
  const stored = new Map((await balances.list(tx)).map(({ key, value }) => [key, value]))
  const corrections: Correction[] = []
  for (const key of new Set([...rebuilt.keys(), ...stored.keys()])) {
    const [from, to] = [stored.get(key) ?? 0n, rebuilt.get(key) ?? 0n]
    if (from === to) continue
    await balances.put(tx, key, to)
    corrections.push({ ...accountOf(key), from, to })
  }
  return corrections
}

/** What is wrong with the books, one sentence each; empty when journal and balances agree and every sum is zero. */
export async function verifyLedger(reader: Reader): Promise<string[]> {
  const problems: string[] = []
  for await (const { id, entries } of postings(reader)) {
    const sum = entries.reduce((total, entry) => total + entry.amount, 0n)
    if (sum !== 0n) problems.push(`posting ${id} sums to ${sum}`)
  }
  const rebuilt = await rebuild(reader)
  const stored = new Map((await balances.list(reader)).map(({ key, value }) => [key, value]))
  for (const key of new Set([...rebuilt.keys(), ...stored.keys()])) {
    const [says, holds] = [rebuilt.get(key) ?? 0n, stored.get(key) ?? 0n]
    if (says !== holds) problems.push(`${key} holds ${holds}, its journal says ${says}`)
    const problem = balanceProblem(accountOf(key).account, holds)
    if (problem) problems.push(`${key} ${problem}`)
  }
  return problems
}
