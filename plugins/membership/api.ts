import type { Context } from 'hono'
import { z } from 'zod'
import { httpAuth } from '../http-auth.ts'
import type { Host, RelayHttp } from '../plugin.ts'
import type { Members } from './members.ts'
import type { MembershipOptions } from './options.ts'

const MAX_BODY = 4096
const PATH = '/api/v1/members'

const memberBody = z.object({
  /** Unix seconds; absent: for good. */
  until: z.int().positive().optional(),
  roles: z.array(z.string()).max(100).default([]),
})

/** The operators' way to add and remove members (NIP-98): PUT and DELETE /api/v1/members/<pubkey>. */
export function membersApi(host: Host, options: MembershipOptions, members: Members) {
  /** The operator who signed, or the answer to who did not. */
  function operatorOf(c: Context, pubkey: string, body?: string): string | Response {
    const auth = httpAuth(c.req.header('authorization'), {
      url: `${host.urls().http}${PATH}/${pubkey}`,
      method: c.req.method,
      now: Math.floor(host.clock.now() / 1000),
      body,
    })
    if (!auth.ok) return c.json({ error: auth.msg }, 401)
    if (!members.isOperator(auth.pubkey))
      return c.json({ error: 'only an operator adds and removes members here' }, 403)
    return auth.pubkey
  }

  async function put(c: Context): Promise<Response> {
    const pubkey = c.req.param('pubkey') ?? ''
    const text = await c.req.text()
    if (text.length > MAX_BODY) return c.json({ error: 'the body is too long' }, 413)
    const by = operatorOf(c, pubkey, text)
    if (by instanceof Response) return by
    const said = memberBody.safeParse(json(text))
    if (!said.success) {
      const issue = said.error.issues[0]
      return c.json({ error: `${issue?.path.join('.') || 'the body'}: ${issue?.message}` }, 400)
    }
    const unknown = said.data.roles.find(role => !Object.hasOwn(options.roles, role))
    if (unknown !== undefined)
      return c.json({ error: `there is no role "${unknown}" in the configuration` }, 400)
    if (!(await members.add(pubkey, { ...said.data, by })))
      return c.json({ error: `there is room for ${options.maxMembers} members (maxMembers)` }, 409)
    host.log.info({ pubkey, by }, 'a member was added')
    return c.json({ pubkey, ...members.get(pubkey) })
  }

  async function remove(c: Context): Promise<Response> {
    const pubkey = c.req.param('pubkey') ?? ''
    const by = operatorOf(c, pubkey)
    if (by instanceof Response) return by
    if (!(await members.remove(pubkey))) return c.json({ error: 'this is no member' }, 404)
    host.log.info({ pubkey, by }, 'a member was removed')
    return c.json({ pubkey })
  }

  return (app: RelayHttp): void => {
    app.put(`${PATH}/:pubkey{[0-9a-f]{64}}`, put)
    app.delete(`${PATH}/:pubkey{[0-9a-f]{64}}`, remove)
  }
}

function json(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}
