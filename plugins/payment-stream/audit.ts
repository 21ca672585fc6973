import { kinds, parseStreamReceipt } from '../../events/index.ts'
import type { Reader } from '../plugin.ts'
import { balanceOf, postings, verifyLedger } from './ledger.ts'
import { type Session, sessions } from './session.ts'
import { runningSplit } from './split.ts'

const PAGE = 500

/**
 * Compares journal, balances, sessions and receipts; one sentence for each difference, none when all four agree. For
 * a reader that shows one moment, because it asks often.
 *
 * @example
 * for (const problem of await audit(reader)) console.error(problem)
 */
export async function audit(reader: Reader): Promise<string[]> {
  const problems = await verifyLedger(reader)
  const paid = await paidBySession(reader)
  for (let after: string | undefined; ; ) {
    const page = await sessions.list(reader, { after, limit: PAGE })
    for (const { value } of page) problems.push(...(await auditSession(reader, value, paid)))
    if (page.length < PAGE) return problems
    after = page.at(-1)?.key
  }
}

/** Session -> what its viewer paid into it, as the journal has it. */
async function paidBySession(reader: Reader): Promise<Map<string, bigint>> {
  const paid = new Map<string, bigint>()
  for await (const { id, entries } of postings(reader)) {
    const [, session] = /^money:([0-9a-f]{64}):/.exec(id) ?? []
    if (session === undefined) continue
    for (const { account, amount } of entries)
      if (account.startsWith('viewer:')) paid.set(session, (paid.get(session) ?? 0n) - amount)
  }
  return paid
}

async function auditSession(
  reader: Reader,
  session: Session,
  paid: ReadonlyMap<string, bigint>,
): Promise<string[]> {
  const { id, asset, received, recognised, settled } = session
  const shared = runningSplit(session.shares, recognised).reduce((sum, part) => sum + part, 0n)
  const expected: [what: string, says: bigint, holds: bigint][] = [
    ['was paid, by the journal,', received, paid.get(id) ?? 0n],
    [
      'has in escrow',
      settled ? 0n : received - recognised,
      await balanceOf(reader, asset, `escrow:${id}`),
    ],
    [
      'has in suspense',
      settled ? 0n : recognised - shared,
      await balanceOf(reader, asset, `suspense:${id}`),
    ],
    ['gave back', settled ? received - recognised : 0n, settled?.refunded ?? 0n],
  ]
  const problems = expected
    .filter(([, says, holds]) => says !== holds)
    .map(
      ([what, says, holds]) => `session ${id} ${what} ${holds} ${asset}, its record says ${says}`,
    )
  const receipt = await receiptProblem(reader, session)
  return receipt === undefined ? problems : [...problems, `session ${id}: ${receipt}`]
}

/** The newest receipt says what the session received. */
async function receiptProblem(reader: Reader, session: Session): Promise<string | undefined> {
  if (session.receipt === undefined)
    return session.received === 0n ? undefined : 'it was paid without a receipt'
  const event = await reader.event(session.receipt)
  const said = event?.kind === kinds.StreamReceipt ? parseStreamReceipt(event) : undefined
  if (!said?.ok) return `its receipt ${session.receipt} is not stored`
  if (said.value.session !== session.id || said.value.totalReceived !== session.received)
    return `its receipt says ${said.value.totalReceived} in all, its record ${session.received}`
  return undefined
}
