import type { RailOffer } from '../../../../events/index.ts'
import type { Tx } from '../../../plugin.ts'
import { balanceOf, post } from '../../ledger.ts'
import type { Claim, Funding, PaymentRail } from '../../rail.ts'
import type { IlpOptions } from './options.ts'

export interface IlpRail extends PaymentRail {
  readonly address: string
}

/** The account of what a peer's packets brought: negative by what the peer owes. */
export const peerAccount = (peer: string): string => `rail:ilp:${peer}`

/**
 * Interledger as a rail. What a packet brings is credited to its viewer in the transaction that settles the 5612 it
 * carries; what is left over (or refunded) stays on the viewer's balance, in the same asset, and pays like any prepaid one.
 *
 * @example
 * const rail = ilpRail({ address: 'g.hub.sluice', asset: 'USD', scale: 6, maxOwed: 0n })
 */
export function ilpRail(
  options: Pick<IlpOptions, 'address' | 'asset' | 'scale' | 'maxOwed'>,
): IlpRail {
  const { address, asset, scale, maxOwed } = options
  const offer: RailOffer = {
    id: 'ilp',
    finality: 'instant',
    terms: ['one packet with each 5612', 'not redeemable'],
  }

  async function fund(tx: Tx, claim: Claim, at: number): Promise<Funding> {
    const { viewer, amount, carried } = claim
    const account = `viewer:${viewer}`
    if (carried) {
      const owed = -(await balanceOf(tx, asset, carried.from)) + carried.amount
      if (maxOwed > 0n && owed > maxOwed)
        return no('this peer owes too much, it has to settle before it sends more')
      const entries = [
        { account: carried.from, amount: -carried.amount },
        { account, amount: carried.amount },
      ]
      const id = `ilp:${carried.id}`
      if (!(await post(tx, { id, asset, at, memo: 'packet', entries })))
        return no('this packet was credited before')
      if (amount <= carried.amount) return { ok: true }
    }
    const holds = await balanceOf(tx, asset, account)
    if (amount <= holds) return { ok: true }
    return no(`your balance is ${holds} ${asset} and this payment needs ${amount}, send a packet`)
  }

  const no = (msg: string): Funding => ({ ok: false, msg, topUp: [offer] })

  return {
    id: offer.id,
    asset,
    scale,
    redeemable: false,
    offer,
    address,
    fund,
    /** A 5612 that names this rail is meant for its packet: a hop that posts it here must not spend the balance. */
    checkProof: async () => 'this payment travels in an ILP packet, not over WebSocket',
  }
}
