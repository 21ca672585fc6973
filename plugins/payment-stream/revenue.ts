import type { Entry } from './ledger.ts'
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
