import type { Context } from 'hono'
import { z } from 'zod'
import { httpAuth } from '../http-auth.ts'
import type { RelayHttp } from '../plugin.ts'
import type { Desk } from './desk.ts'
import { balanceOf } from './ledger.ts'
import { fromOperator, positiveAmount, reason } from './operator.ts'
import { CREDIT, grantCredit } from './rails/credit.ts'

const granting = {
  path: '/api/v1/credits',
  method: 'POST',
  shape: z.object({
    pubkey: z.string().regex(/^[0-9a-f]{64}$/, 'needs 64 lowercase hex'),
    amount: positiveAmount,
    why: reason,
    id: z
      .string()
      .regex(/^[0-9A-Za-z-]{16,64}$/, 'needs 16 to 64 letters, digits or hyphens')
      .optional(),
  }),
  denial: 'only the operator grants credit here',
} as const

/** The HTTP side: a viewer's own balance, and the operator's way to grant credit; both by NIP-98. */
export function api(desk: Desk) {
  const { host, credit } = desk

  async function balance(c: Context): Promise<Response> {
    const url = `${host.urls().http}/api/v1/balance`
    const now = Math.floor(host.clock.now() / 1000)
    const auth = httpAuth(c.req.header('authorization'), { url, method: 'GET', now })
    if (!auth.ok) return c.json({ error: auth.msg }, 401)
    const account = `viewer:${auth.pubkey}`
    if (credit)
      await host.store.transaction(tx => credit.welcome(tx, auth.pubkey, host.clock.now()))
    const balances: Record<string, string> = {}
    for (const { asset } of desk.rails)
      balances[asset] = String(await balanceOf(host.store, asset, account))
    const redeemable = desk.rails.filter(rail => rail.redeemable).map(rail => rail.asset)
    return c.json({ pubkey: auth.pubkey, balances, redeemable }, 200, noStore)
  }

  async function grant(c: Context): Promise<Response> {
    if (!credit) return c.json({ error: 'this relay gives no credit, its rails are others' }, 404)
    const asked = await fromOperator(desk, c, granting)
    if (asked instanceof Response) return asked
    const { pubkey: by, value } = asked
    const { pubkey, amount, why } = value
    // An id is its operator's own: two who choose alike do not meet.
    const id = value.id === undefined ? asked.id : `${by}:${value.id}`
    const at = host.clock.now()
    const granted = await grantCredit(host.store, { id, pubkey, amount, why, by, at })
    if (!granted.ok)
      return c.json(
        { error: `${granted.problem === 'taken' ? 'id' : 'amount'}: ${granted.msg}` },
        granted.problem === 'taken' ? 409 : 400,
      )
    host.log.info({ pubkey, amount: String(amount), by, why, id }, 'credit granted')
    const balance = String(granted.balance)
    return c.json({ pubkey, asset: CREDIT, granted: String(amount), balance })
  }

  return (app: RelayHttp): void => {
    app.get('/api/v1/balance', balance)
    app.post('/api/v1/credits', grant)
  }
}

const noStore = { 'Cache-Control': 'no-store' }
