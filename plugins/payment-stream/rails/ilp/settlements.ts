import type { Context } from 'hono'
import { z } from 'zod'
import type { RelayHttp } from '../../../plugin.ts'
import type { Desk } from '../../desk.ts'
import { balanceOf, post } from '../../ledger.ts'
import { fromOperator, positiveAmount, reason } from '../../operator.ts'
import { peerAccount } from './rail.ts'

/** Where the money went that peers have paid outside of the ledger. */
const SETTLED = 'rail:ilp-settled'

const common = {
  path: '/api/v1/ilp/settlements',
  denial: 'only the operator knows what peers owe',
} as const
const looking = { ...common, method: 'GET', shape: z.undefined() } as const
const settling = {
  ...common,
  method: 'POST',
  shape: z.object({ peer: z.string(), amount: positiveAmount, why: reason }),
} as const

/** What each peer owes, and the operator's word that one has paid, noted once for each NIP-98 proof. */
export function settlementRoutes(desk: Desk, asset: string, peers: readonly string[]) {
  const { host } = desk
  const owed = async (peer: string): Promise<string> =>
    String(-(await balanceOf(host.store, asset, peerAccount(peer))))

  async function look(c: Context): Promise<Response> {
    const asked = await fromOperator(desk, c, looking)
    if (asked instanceof Response) return asked
    const all: Record<string, string> = {}
    for (const peer of peers) all[peer] = await owed(peer)
    return c.json({ asset, owed: all }, 200, { 'Cache-Control': 'no-store' })
  }

  async function settle(c: Context): Promise<Response> {
    const asked = await fromOperator(desk, c, settling)
    if (asked instanceof Response) return asked
    const { peer, amount, why } = asked.value
    if (!peers.includes(peer)) return c.json({ error: `there is no peer "${peer}" here` }, 404)
    const id = `ilp-settled:${asked.id}`
    const memo = `settled, noted by ${asked.pubkey}: ${why}`
    const entries = [
      { account: peerAccount(peer), amount },
      { account: SETTLED, amount: -amount },
    ]
    const at = host.clock.now()
    await host.store.transaction(tx => post(tx, { id, asset, at, memo, entries }))
    host.log.info({ peer, amount: String(amount), by: asked.pubkey, why }, 'a peer has settled')
    return c.json({ peer, asset, settled: String(amount), owed: await owed(peer) })
  }

  return (app: RelayHttp): void => {
    app.get(common.path, look)
    app.post(common.path, settle)
  }
}
