import type { Context } from 'hono'
import { httpAuth } from '../../http-auth.ts'
import type { PolicyContext, RelayHttp } from '../../plugin.ts'
import { type LiveStream, streamIds, streams } from '../stream.ts'
import { handlers } from './handlers.ts'
import { openApi } from './openapi.ts'
import { type Operation, type OperationId, operations } from './operations.ts'
import { HttpProblem } from './problem.ts'

const MAX_BODY = 131_072
/** A little longer than a proof holds either way. */
const PROOF_MS = 150_000
const VERSION = '1.0.0'

/** The HTTP API for hosts' tools, `/api/v1/streams` (docs/events.md, Streams over HTTP); signed requests, by NIP-98. */
export function streamsApi(options: Parameters<typeof handlers>[0]) {
  const { host } = options
  const { store, clock } = host
  const run = handlers(options)
  const used = usedProofs(() => clock.now())

  /** Who signed this request; what changes something is taken once. */
  function signer(c: Context, method: string, body: string): string {
    const { pathname, search } = new URL(c.req.url)
    const auth = httpAuth(c.req.header('authorization'), {
      url: `${host.urls().http}${pathname}${search}`,
      method,
      now: Math.floor(clock.now() / 1000),
      body: body === '' ? undefined : body,
    })
    if (!auth.ok) throw new HttpProblem(401, auth.msg)
    if (method !== 'GET' && !used.first(auth.id))
      throw new HttpProblem(401, 'this authorisation was used before, sign another one')
    return auth.pubkey
  }

  /** The stream of that id, for its host; the relay's own key may look. */
  async function streamFor(id: string, pubkey: string, reads: boolean): Promise<LiveStream> {
    const found = await streamIds.get(store, id)
    const stream = found && (await streams.get(store, found.address))
    if (!stream) throw new HttpProblem(404, 'there is no such stream here')
    if (stream.host !== pubkey && !(reads && pubkey === host.self))
      throw new HttpProblem(404, 'there is no such stream of yours here')
    return stream
  }

  async function answer(c: Context, id: OperationId, one: Operation): Promise<Response> {
    const text = one.method === 'POST' ? await bodyOf(c) : ''
    const pubkey = signer(c, one.method, text)
    const named = c.req.param('id')
    const stream =
      named === undefined ? undefined : await streamFor(named, pubkey, one.method === 'GET')
    const result = await run[id]({
      pubkey,
      // Only operations without an id in their path go without a stream.
      stream: stream as LiveStream,
      target: c.req.param('target') ?? '',
      recording: c.req.param('recording') ?? '',
      body: checked(one.body, text === '' ? undefined : parse(text), one.bodyOptional),
      query: checked(one.query, c.req.query()),
      ctx: contextOf(c, pubkey, clock.now()),
    })
    if (one.status === 204) return c.body(null, 204, headers)
    return c.json(result as object, one.status, headers)
  }

  return (app: RelayHttp): void => {
    for (const path of ['/api/v1/streams', '/api/v1/streams/*', '/api/v1/recordings'])
      app.options(path, c => c.body(null, 204, headers))
    app.get('/api/v1/openapi.json', c => c.json(openApi(host.urls().http, VERSION), 200, headers))
    for (const [id, one] of Object.entries<Operation>(operations))
      app.on(one.method, one.path.replace(/\{(\w+)\}/g, ':$1'), async c => {
        try {
          return await answer(c, id as OperationId, one)
        } catch (error) {
          if (error instanceof HttpProblem) return error.response(headers)
          throw error
        }
      })
  }
}

/** Requests carry a signature, no cookie: any page may send one that its user has signed. */
const headers = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Cache-Control': 'no-store',
}

/** The relay bounds what it reads at all; read to its end, so that the client hears the answer. */
async function bodyOf(c: Context): Promise<string> {
  const text = await c.req.text()
  if (text.length > MAX_BODY) throw new HttpProblem(413, 'the body is too long')
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new HttpProblem(400, 'the body is not JSON')
  }
}

function checked(shape: Operation['body'], value: unknown, optional = false): unknown {
  if (!shape || (optional && value === undefined)) return undefined
  const read = shape.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new HttpProblem(400, `${issue?.path.join('.') || 'the body'}: ${issue?.message}`)
}

function contextOf(c: Context, pubkey: string, now: number): PolicyContext {
  const info: string = c.get('ip')
  return {
    source: { type: info.includes(':') ? 'IP6' : 'IP4', info },
    authed: [pubkey],
    receivedAt: Math.floor(now / 1000),
    signal: c.req.raw.signal,
  }
}

/** Proofs that were used, for as long as they would hold. */
function usedProofs(now: () => number) {
  const seen = new Map<string, number>()
  return {
    first(id: string): boolean {
      for (const [old, at] of seen) {
        if (now() - at < PROOF_MS) break
        seen.delete(old)
      }
      if (seen.has(id)) return false
      seen.set(id, now())
      return true
    },
  }
}
