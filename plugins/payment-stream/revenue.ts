import { parseAddress } from '../../events/index.ts'
import { amount, collection } from '../collection.ts'
import { publicId } from '../live-stream/lifecycle.ts'
import type { Reader, Tx } from '../plugin.ts'
import { type Entry, type Posting, post } from './ledger.ts'
import { dueOf, lesser } from './meter.ts'
import type { Session } from './session.ts'
import { finalSplit, runningSplit } from './split.ts'

/** What the payee has earned so far: what is due, as far as it was received; a tip at once. */
export function earned(session: Session): bigint {
  if (session.purpose === 'tip') return session.received
  return lesser(dueOf(session.epochs), session.received)
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n)

const toShares = (session: Session, from: readonly bigint[], to: readonly bigint[]): Entry[] =>
  session.shares.map(({ account }, i) => ({ account, amount: (to[i] ?? 0n) - (from[i] ?? 0n) }))

/** Entries that take the session's recognised revenue from its old value up to `total` (docs/events.md, split). */
export function recognise(session: Session, total: bigint): Entry[] {
  const before = runningSplit(session.shares, session.recognised)
  const after = runningSplit(session.shares, total)
  const rest = total - sum(after) - (session.recognised - sum(before))
  return [
    { account: `escrow:${session.id}`, amount: session.recognised - total },
    ...toShares(session, before, after),
    { account: `suspense:${session.id}`, amount: rest },
  ]
}

/** Entries that close it: the last revenue, the remainder shared out once, and the rest back to the viewer. */
export function conclude(session: Session, total: bigint): Entry[] {
  const before = runningSplit(session.shares, session.recognised)
  return [
    { account: `escrow:${session.id}`, amount: session.recognised - session.received },
    { account: `viewer:${session.viewer}`, amount: session.received - total },
    ...toShares(session, before, finalSplit(session.shares, total)),
    { account: `suspense:${session.id}`, amount: sum(before) - session.recognised },
  ]
}

/** What each stream has brought its host: `<public id> <asset>` -> the part of `party:<host>` that came from it. */
const streamRevenues = collection('stream-revenue', amount)

const revenueKey = (address: string, asset: string): string => `${publicId(address)} ${asset}`

/** What was posted to its host for a stream so far, in the asset's smallest unit. */
export const revenueOf = async (reader: Reader, address: string, asset: string): Promise<bigint> =>
  (await streamRevenues.get(reader, revenueKey(address, asset))) ?? 0n

/**
 * Posts what a session brought, and counts its host's part for the stream: once each, in the caller's transaction. The sum
 * over a host's streams is what was ever posted to its `party:`.
 */
export async function postRevenue(tx: Tx, { address }: Session, posting: Posting): Promise<void> {
  if (!(await post(tx, posting))) return
  const account = `party:${parseAddress(address)?.pubkey}`
  const part = sum(posting.entries.map(entry => (entry.account === account ? entry.amount : 0n)))
  if (part === 0n) return
  const total = part + (await revenueOf(tx, address, posting.asset))
  await streamRevenues.put(tx, revenueKey(address, posting.asset), total)
}
