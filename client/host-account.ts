import { due, paidMs, type Rate, type StreamOpen, type TimeUnit } from '../events/index.ts'

/** What a host's agent knows of one session. Times in unix ms. */
export interface HostAccount {
  readonly open: Pick<StreamOpen, 'id' | 'viewer' | 'streamId' | 'purpose'>
  /** Cumulative: what the viewer may send, what arrived. */
  readonly maxReceive: bigint
  readonly received: bigint
  /** Of the newest payment that was answered. */
  readonly sequence: bigint
  /** Time is counted from here, with what had arrived before: floored once for all payments since. */
  readonly since: { readonly at: number; readonly received: bigint }
  readonly paidUntil: number
}

/** The account of a session that was just opened, or one with what an earlier receipt says. */
export function hostAccount(
  open: HostAccount['open'],
  from: { maxReceive: bigint; received?: bigint; sequence?: bigint; paidUntil?: number },
): HostAccount {
  const { maxReceive, received = 0n, sequence = -1n, paidUntil = 0 } = from
  return { open, maxReceive, received, sequence, since: { at: paidUntil, received }, paidUntil }
}

/**
 * The account after `amount` more arrived for `sequence` at `now`: time goes on where it was paid up to, or begins now
 * where that has passed. A tip buys none.
 */
export function credited(
  account: HostAccount,
  payment: { amount: bigint; sequence: bigint },
  rate: Rate<TimeUnit>,
  now: number,
): HostAccount {
  const received = account.received + payment.amount
  const next = { ...account, received, sequence: payment.sequence }
  if (account.open.purpose === 'tip') return { ...next, paidUntil: now }
  const lapsed = account.paidUntil < now
  const since = lapsed ? { at: now, received: account.received } : account.since
  const bought = received > since.received ? paidMs(rate, received - since.received) : 0n
  return { ...next, since, paidUntil: since.at + Number(bought ?? 0n) }
}

/** What was received and not used at `now`. A tip is used at once. */
export function unused(account: HostAccount, rate: Rate<TimeUnit>, now: number): bigint {
  if (account.open.purpose === 'tip') return 0n
  const left = due(rate, BigInt(Math.max(0, account.paidUntil - now)))
  return lesser(left, account.received)
}

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b)
