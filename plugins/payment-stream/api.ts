import type { Context } from 'hono'
import { z } from 'zod'
import { parseAmount } from '../../events/index.ts'
import { type HttpAuth, httpAuth } from '../http-auth.ts'
import type { RelayHttp } from '../plugin.ts'
import type { Desk } from './desk.ts'
import { balanceOf } from './ledger.ts'
import { CREDIT, grantCredit } from './rails/credit.ts'

const MAX_BODY = 4096

const grantBody = z.object({
  pubkey: z.string().regex(/^[0-9a-f]{64}$/, 'needs 64 lowercase hex'),
  amount: z.union([z.string(), z.int().transform(String)]).transform((text, issue) => {
    const amount = parseAmount(text)
    if (amount !== undefined && amount > 0n) return amount
    issue.addIssue('needs to be a positive integer')
    return z.NEVER
  }),
  why: z.string().trim().min(1, 'needs a reason for the audit trail').max(500),
})

/** The HTTP side: a viewer's own balance, and the operator's way to grant credit; both by NIP-98. */
export function api(desk: Desk) {
  const { host, options, credit } = desk

  const signer = (c: Context, method: string, path: string, body?: string): HttpAuth =>
    httpAuth(c.req.header('authorization'), {
      url: `${host.urls().http}${path}`,
      method,
      now: Math.floor(host.clock.now() / 1000),
      body,
    })

  async function balance(c: Context): Promise<Response> {
    const auth = signer(c, 'GET', '/api/v1/balance')
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
    const text = await c.req.text()
    if (text.length > MAX_BODY) return c.json({ error: 'the body is too long' }, 413)
    const auth = signer(c, 'POST', '/api/v1/credits', text)
    if (!auth.ok) return c.json({ error: auth.msg }, 401)
    if (auth.pubkey !== host.self && !options.operators.includes(auth.pubkey))
      return c.json({ error: 'only the operator grants credit here' }, 403)
    const said = grantBody.safeParse(json(text))
    if (!said.success) return c.json({ error: describe(said.error) }, 400)
    const { pubkey, amount, why } = said.data
    const at = host.clock.now()
    const holds = await grantCredit(host.store, {
      id: auth.id,
      pubkey,
      amount,
      why,
      by: auth.pubkey,
      at,
    })
    host.log.info({ pubkey, amount: String(amount), by: auth.pubkey, why }, 'credit granted')
    return c.json({ pubkey, asset: CREDIT, granted: String(amount), balance: String(holds) })
  }

  return (app: RelayHttp): void => {
    app.get('/api/v1/balance', balance)
    app.post('/api/v1/credits', grant)
  }
}

const noStore = { 'Cache-Control': 'no-store' }

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const describe = ({ issues }: z.ZodError): string => {
  const [first] = issues
  return `${first?.path.join('.') || 'the body'}: ${first?.message ?? 'is not valid'}`
}
