import type { Context } from 'hono'
import { z } from 'zod'
import { httpAuth } from '../http-auth.ts'
import { definePlugin, type Host } from '../plugin.ts'
import { openLists } from './lists.ts'
import { clearer, methods, relayTexts } from './methods.ts'
import { overviewApi } from './overview.ts'
import { managementPolicy } from './policy.ts'

const options = z.object({
  /** Pubkeys (hex) that may manage the relay, besides its own key. */
  admins: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, 'needs pubkeys of 64 lowercase hex'))
    .default([]),
})

const TYPE = 'application/nostr+json+rpc'
const MAX_BODY_BYTES = 65_536

const request = z.object({ method: z.string().max(100), params: z.array(z.unknown()).default([]) })

/** The operator's hand over HTTP: bans, lists of who may, the relay's name. Source: NIP-86, authorised by NIP-98. */
export default definePlugin({
  name: 'management',
  options,
  async setup(host, { admins }) {
    const lists = await openLists(host.store)
    const table = methods(host, lists)
    let texts = await changedTexts(host)

    async function manage(c: Context): Promise<Response> {
      const body = await c.req.text()
      if (body.length > MAX_BODY_BYTES) return c.json({ error: 'the body is too long' }, 413)
      const auth = httpAuth(c.req.header('authorization'), {
        url: host.urls().http,
        method: 'POST',
        now: Math.floor(host.clock.now() / 1000),
        body,
      })
      if (!auth.ok) return answer(c, 401, { error: auth.msg })
      if (auth.pubkey !== host.self && !admins.includes(auth.pubkey))
        return answer(c, 403, { error: 'only an administrator of this relay manages it' })
      const said = request.safeParse(parse(body))
      if (!said.success)
        return answer(c, 200, { error: 'the body needs {"method", "params": [...]}' })
      const { method, params } = said.data
      const run = table.get(method)
      if (!run)
        return answer(c, 200, { error: `there is no method ${method}, see supportedmethods` })
      try {
        const result = await run(params, auth)
        texts = await changedTexts(host)
        host.log.info({ method, params, by: auth.pubkey }, 'the relay was managed')
        return answer(c, 200, { result })
      } catch (error) {
        if (!(error instanceof z.ZodError)) throw error
        const [issue] = error.issues
        return answer(c, 200, { error: `${method}: ${issue?.path.join('.')} ${issue?.message}` })
      }
    }

    return {
      policies: [managementPolicy(lists, host.self)],
      jobs: { clear: clearer(host) },
      routes(app) {
        app.post('/', manage)
        overviewApi(host, admins)(app)
      },
      info: () => ({ supported_nips: [86, 98], ...texts }),
    }
  },
})

const answer = (c: Context, status: 200 | 401 | 403, body: object): Response =>
  c.body(JSON.stringify(body), status, {
    'Content-Type': TYPE,
    'Access-Control-Allow-Origin': '*',
    'Cache-Control': 'no-store',
  })

async function changedTexts(host: Host): Promise<Record<string, string>> {
  const rows = await relayTexts.list(host.store)
  return Object.fromEntries(rows.map(({ key, value }) => [key, value.text]))
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
