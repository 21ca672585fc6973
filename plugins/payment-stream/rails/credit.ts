import type { RailOffer } from '../../../events/index.ts'
import type { Store, Tx } from '../../plugin.ts'
import { balanceOf, post, wasPosted } from '../ledger.ts'
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
  /** What authorises it, for example the id of a NIP-98 event: credited once. */
  readonly id: string
  readonly pubkey: string
  readonly amount: bigint
  /** For the audit trail: why, and by whom (pubkey). */
  readonly why: string
  readonly by: string
  /** Unix ms. */
  readonly at: number
}

/**
 * Gives prepaid credit to a pubkey; resolves, once durable, with its balance. The same id gives nothing twice.
 * The trail of all grants is `statement(reader, 'CREDIT', 'grant:operator')`.
 *
 * @example
 * await grantCredit(store, { id: auth.id, pubkey, amount: 500n, why: 'refund of Monday', by: auth.pubkey, at: Date.now() })
 */
export function grantCredit(store: Store, grant: CreditGrant): Promise<bigint> {
  const { pubkey, amount, why, by, at } = grant
  if (amount <= 0n) throw new RangeError('credit is granted in positive amounts')
  return store.transaction(async tx => {
    const entries = give(OPERATOR, pubkey, amount)
    const memo = `granted by ${by}: ${why}`
    await post(tx, { id: `credit:${grant.id}`, asset: CREDIT, at, memo, entries })
    return balanceOf(tx, CREDIT, `viewer:${pubkey}`)
  })
}

const give = (from: string, pubkey: string, amount: bigint) => [
  { account: from, amount: -amount },
  { account: `viewer:${pubkey}`, amount },
]
