import { MAX_AMOUNT, type RailOffer } from '../../../events/index.ts'
import type { Reader, Store, Tx } from '../../plugin.ts'
import { balanceOf, newestPostings, type Posting, post, postingOf, wasPosted } from '../ledger.ts'
import { greater } from '../meter.ts'
import type { Funding, PaymentRail } from '../rail.ts'

/** Prepaid viewing credit: the operator gives it, viewing uses it up, nobody pays it out. */
export const CREDIT = 'CREDIT'

const offer: RailOffer = {
  id: 'credit',
  finality: 'instant',
  terms: ['prepaid balance at this relay', 'not redeemable'],
}

const WELCOME = 'grant:welcome'
const OPERATOR = 'grant:operator'

export interface CreditRail extends PaymentRail {
  /** The first credit of a pubkey, once, as long as the overall cap lasts. */
  welcome(tx: Tx, pubkey: string, at: number): Promise<void>
}

/**
 * The credit rail. Amounts in CREDIT, which has no smaller unit.
 *
 * @example
 * const rail = creditRail({ welcome: 1000n, welcomeCap: 1_000_000n })
 */
export function creditRail(options: { welcome: bigint; welcomeCap: bigint }): CreditRail {
  return {
    id: offer.id,
    asset: CREDIT,
    scale: 0,
    redeemable: false,
    offer,
    async fund(tx, { viewer, amount }): Promise<Funding> {
      const holds = await balanceOf(tx, CREDIT, `viewer:${viewer}`)
      if (amount <= holds) return { ok: true }
      const msg = `your balance is ${holds} ${CREDIT} and this payment needs ${amount}, ask the operator for credit`
      return { ok: false, msg, topUp: [offer] }
    },
    async welcome(tx, pubkey, at) {
      const id = `welcome:${pubkey}`
      const given = -(await balanceOf(tx, CREDIT, WELCOME))
      const gift = options.welcome
      if (gift === 0n || given + gift > options.welcomeCap || (await wasPosted(tx, id))) return
      await post(tx, {
        id,
        asset: CREDIT,
        at,
        memo: 'welcome',
        entries: give(WELCOME, pubkey, gift),
      })
    },
  }
}

export interface CreditGrant {
  /** What it is known by, of the operator's choice or the id of what authorises it (NIP-98): credited once. */
  readonly id: string
  readonly pubkey: string
  readonly amount: bigint
  /** For the audit trail: why, and by whom (pubkey). */
  readonly why: string
  readonly by: string
  /** Unix ms. */
  readonly at: number
}

/** What became of a grant: the pubkey's balance then, or why nothing was given. */
export type Granted =
  | { readonly ok: true; readonly balance: bigint }
  | { readonly ok: false; readonly problem: 'taken' | 'too large'; readonly msg: string }

/**
 * Gives prepaid credit to a pubkey; resolves once durable. The same grant again gives nothing more and is answered alike; its
 * id for another grant is refused, and so is what would take an account beyond 2^63-1. The trail: `creditGrants`.
 *
 * @example
 * await grantCredit(store, { id: auth.id, pubkey, amount: 500n, why: 'refund of Monday', by: auth.pubkey, at: Date.now() })
 */
export function grantCredit(store: Store, grant: CreditGrant): Promise<Granted> {
  const { pubkey, amount, why, by, at } = grant
  if (amount <= 0n) throw new RangeError('credit is granted in positive amounts')
  const id = `${GRANT_ID}${grant.id}`
  return store.transaction(async (tx): Promise<Granted> => {
    const balance = await balanceOf(tx, CREDIT, `viewer:${pubkey}`)
    const before = await postingOf(tx, id)
    const said = before && readGrant(before)
    if (said) {
      const same = said.pubkey === pubkey && said.amount === amount && said.why === why
      if (same && said.by === by) return { ok: true, balance }
      const msg = `this id has granted ${said.amount} ${CREDIT} to ${said.pubkey} already, choose another`
      return { ok: false, problem: 'taken', msg }
    }
    const given = -(await balanceOf(tx, CREDIT, OPERATOR))
    const room = MAX_AMOUNT - greater(given, balance)
    if (amount > room)
      return {
        ok: false,
        problem: 'too large',
        msg: `at most ${room} ${CREDIT} can be granted now`,
      }
    const entries = give(OPERATOR, pubkey, amount)
    await post(tx, { id, asset: CREDIT, at, memo: memoOf(by, why), entries })
    return { ok: true, balance: balance + amount }
  })
}

const GRANT_ID = 'credit:'
const memoOf = (by: string, why: string): string => `granted by ${by}: ${why}`

/** Reads a grant out of the journal. */
function readGrant({ id, at, memo, entries }: Posting): CreditGrant | undefined {
  const [, by, why] = /^granted by ([0-9a-f]{64}): (.*)$/s.exec(memo) ?? []
  const to = entries.find(({ account }) => account.startsWith('viewer:'))
  if (by === undefined || why === undefined || !to) return undefined
  const pubkey = to.account.slice('viewer:'.length)
  return { id: id.slice(GRANT_ID.length), pubkey, amount: to.amount, why, by, at }
}

/**
 * What operators granted, newest first, as the journal has it; `next` is the `before` of the page after this one.
 *
 * @example
 * const { grants, next } = await creditGrants(reader, { limit: 50 })
 */
export async function creditGrants(
  reader: Reader,
  page: { before?: string; limit: number },
): Promise<{ grants: CreditGrant[]; next?: string }> {
  const { found, next } = await newestPostings(reader, { prefix: GRANT_ID, ...page })
  return { grants: found.map(readGrant).filter(grant => grant !== undefined), next }
}

const give = (from: string, pubkey: string, amount: bigint) => [
  { account: from, amount: -amount },
  { account: `viewer:${pubkey}`, amount },
]
