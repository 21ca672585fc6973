/** One party's part of what a stream earns. */
export interface Share {
  /** The ledger's account, `party:<pubkey>`. */
  readonly account: string
  /** Basis points; those of all shares sum to 10 000. */
  readonly bp: number
}

const WHOLE = 10_000n

/**
 * What each share has of the cumulative total while the session runs: floor(total x bp / 10 000). It only grows
 * with the total; the remainder waits in suspense. (Largest remainder on running totals would take money back.)
 *
 * @example
 * runningSplit([{ account: 'party:a', bp: 9000 }, { account: 'party:b', bp: 1000 }], 15n) // [13n, 1n]
 */
export const runningSplit = (shares: readonly Share[], total: bigint): bigint[] =>
  shares.map(({ bp }) => (total * BigInt(bp)) / WHOLE)

/**
 * What each share has of the final total: the remainder goes, one unit each, to the largest fractions, ties to the
 * lowest index. Sums to `total` exactly, and is never below `runningSplit`.
 */
export function finalSplit(shares: readonly Share[], total: bigint): bigint[] {
  const amounts = runningSplit(shares, total)
  const rest = total - amounts.reduce((sum, amount) => sum + amount, 0n)
  const byFraction = shares
    .map(({ bp }, index) => ({ index, fraction: (total * BigInt(bp)) % WHOLE }))
    .sort((a, b) =>
      a.fraction === b.fraction ? a.index - b.index : a.fraction > b.fraction ? -1 : 1,
    )
  for (const { index } of byFraction.slice(0, Number(rest)))
    amounts[index] = (amounts[index] ?? 0n) + 1n
  return amounts
}
