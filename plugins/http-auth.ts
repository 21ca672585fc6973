import { createHash } from 'node:crypto'
import { verifyEvent } from 'nostr-tools/pure'
import { z } from 'zod'
import { kinds, tagValue } from '../events/index.ts'

const eventShape = z.object({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  pubkey: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.int(),
  kind: z.literal(kinds.HttpAuth),
  tags: z.array(z.array(z.string())),
  content: z.string(),
  sig: z.string().regex(/^[0-9a-f]{128}$/),
})

const MAX_HEADER = 8192
const MAX_AGE_SECONDS = 60

export type HttpAuth =
  | { readonly ok: true; readonly pubkey: string; readonly id: string }
  | { readonly ok: false; readonly msg: string }

/**
 * Who signed an HTTP request: checks the `Authorization: Nostr <base64 of a kind 27235>` header against the absolute
 * URL, the method, the time (`now` in unix seconds, 60 s either way) and, where one was sent, the body. Source: NIP-98.
 *
 * @example
 * httpAuth(c.req.header('authorization'), { url: `${http}/api/v1/balance`, method: 'GET', now }) // { ok: true, pubkey, id }
 */
export function httpAuth(
  header: string | undefined,
  request: { url: string; method: string; now: number; body?: string },
): HttpAuth {
  const event = decode(header)
  if (!event) return no('this needs an Authorization header with a signed kind 27235 (NIP-98)')
  if (Math.abs(request.now - event.created_at) > MAX_AGE_SECONDS)
    return no(`the authorisation is not of the last ${MAX_AGE_SECONDS} seconds`)
  if (!sameUrl(tagValue(event, 'u'), request.url))
    return no(`the authorisation is not for ${request.url}`)
  if (tagValue(event, 'method')?.toUpperCase() !== request.method)
    return no(`the authorisation is not for ${request.method}`)
  if (request.body !== undefined && tagValue(event, 'payload') !== sha256(request.body))
    return no('the authorisation has no payload tag with the SHA-256 of this body')
  // A plain copy: nostr-tools remembers its verdict on the object.
  if (!verifyEvent({ ...event })) return no('the signature of the authorisation is wrong')
  return { ok: true, pubkey: event.pubkey, id: event.id }
}

const no = (msg: string): HttpAuth => ({ ok: false, msg })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function decode(header: string | undefined): z.output<typeof eventShape> | undefined {
  const encoded = /^Nostr ([A-Za-z0-9+/_=-]+)$/i.exec(header ?? '')?.[1]
  if (!encoded || encoded.length > MAX_HEADER) return undefined
  try {
    return eventShape.safeParse(JSON.parse(Buffer.from(encoded, 'base64').toString())).data
  } catch {
    return undefined
  }
}

/** Exact, but for ws and http of one relay, and for the names under which a machine knows itself. */
function sameUrl(said: string | undefined, meant: string): boolean {
  if (said === undefined || !URL.canParse(said)) return false
  return loopback(said) === loopback(meant)
}

function loopback(text: string): string {
  const url = new URL(text.replace(/^ws/, 'http'))
  if (url.hostname === 'localhost' || url.hostname === '[::1]') url.hostname = '127.0.0.1'
  return url.href
}
