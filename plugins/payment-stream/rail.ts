import type { RailOffer } from '../../events/index.ts'
import type { Tx } from '../plugin.ts'

/** What a 5612 asks a rail to make good: `amount` more for this session, and the proof it carries, if any. */
export interface Claim {
  readonly session: string
  readonly viewer: string
  readonly amount: bigint
  readonly proof?: string
  /** Money that came with it in a packet. */
  readonly carried?: { readonly id: string; readonly from: string; readonly amount: bigint }
}

/** `msg` is a sentence without prefix; `topUp` names ways to get there. */
export type Funding =
  | { readonly ok: true }
  | { readonly ok: false; readonly msg: string; readonly topUp: readonly RailOffer[] }

/**
 * A way for money to come in and go out. Whatever the rail, money enters the ledger on `viewer:<pubkey>` and a
 * voucher moves it from there: a rail only has to bring the viewer's balance up to the claim.
 */
export interface PaymentRail {
  readonly id: string
  /** Asset code and its digits behind the point. Different assets never mix. */
  readonly asset: string
  readonly scale: number
  /** True when balances can be paid out again. */
  readonly redeemable: boolean
  /** What a 5611 offers: `["rail", id, finality, terms...]`. */
  readonly offer: RailOffer
  /**
   * Looks at a proof before the transaction: signatures, the network, anything slow. Gives why it is worth nothing,
   * or undefined. A rail without it takes no proofs.
   */
  checkProof?(proof: string, signal: AbortSignal): Promise<string | undefined>
  /**
   * Makes sure, in the payment's transaction, that the viewer's balance covers the claim; posts what a checked proof
   * brings (posting id = the proof's own identity, so that it credits once).
   */
  fund(tx: Tx, claim: Claim, at: number): Promise<Funding>
  /** Asks for a deposit that settles later (an invoice, a mint quote); `pay` is what the payer's wallet wants. */
  quote?(viewer: string, amount: bigint): Promise<{ id: string; pay: string; expiresAt: number }>
  /** Pays a party out; `id` makes a repeat harmless. */
  payout?(payout: { id: string; account: string; amount: bigint; to: string }): Promise<void>
  /** Compares what the rail holds with what the ledger owes; one sentence for each difference. */
  reconcile?(): Promise<string[]>
}
