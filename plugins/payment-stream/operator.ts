import type { Context } from 'hono'
import { z } from 'zod'
import { parseAmount } from '../../events/index.ts'
import { httpAuth } from '../http-auth.ts'
import type { Desk } from './desk.ts'

const MAX_BODY = 4096

/** An amount in a body: an integer above zero, as a text or a number. */
export const positiveAmount = z
  .union([z.string(), z.int().transform(String)])
  .transform((text, issue) => {
    const amount = parseAmount(text)
    if (amount !== undefined && amount > 0n) return amount
    issue.addIssue('needs to be a positive integer')
    return z.NEVER
  })

/** Why an operator did it. */
export const reason = z.string().trim().min(1, 'needs a reason for the audit trail').max(500)

export interface OperatorRequest<T> {
  readonly path: string
  readonly method: 'GET' | 'POST'
  /** What the body has to be; a GET has none. */
  readonly shape: z.ZodType<T>
  /** Said to everybody else. */
  readonly denial: string
}

/** What an operator asks: id of the NIP-98 proof (one proof, one deed), pubkey and body. */
export interface Asked<T> {
  readonly id: string
  readonly pubkey: string
  readonly value: T
}

/** Reads a request that only operators may make: NIP-98 by the relay's key or a listed one; or the refusal. */
export async function fromOperator<T>(
  { host, options }: Desk,
  c: Context,
  { path, method, shape, denial }: OperatorRequest<T>,
): Promise<Asked<T> | Response> {
  const body = method === 'GET' ? undefined : await c.req.text()
  if (body !== undefined && body.length > MAX_BODY)
    return c.json({ error: 'the body is too long' }, 413)
  const now = Math.floor(host.clock.now() / 1000)
  const request = { url: `${host.urls().http}${path}`, method, now, body }
  const auth = httpAuth(c.req.header('authorization'), request)
  if (!auth.ok) return c.json({ error: auth.msg }, 401)
  if (auth.pubkey !== host.self && !options.operators.includes(auth.pubkey))
    return c.json({ error: denial }, 403)
  const said = shape.safeParse(body === undefined ? undefined : json(body))
  if (said.success) return { id: auth.id, pubkey: auth.pubkey, value: said.data }
  return c.json({ error: describe(said.error) }, 400)
}

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
