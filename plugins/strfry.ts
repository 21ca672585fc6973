import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { z } from 'zod'
import type { Filter, NostrEvent } from '../events/index.ts'
import {
  type Awaitable,
  type Decision,
  type PolicyContext,
  type ReadRequest,
  reject,
} from './plugin.ts'

/**
 * strfry's plugin protocol: one JSON line a request on stdin, one a reply on stdout. Here is its wire, and the
 * side that answers; the side that asks is relay/child-plugin/. Source: strfry, docs/plugins.md.
 */

/** strfry takes no longer line. */
export const MAX_REPLY_BYTES = 8192
/** Set for a child of our own relay. It may greet with HELLO_PIPELINE, which strfry would pass over as no JSON. */
export const CHILD_ENV = 'SLUICE_CHILD_PLUGIN'
/** Says: I answer in any order, ask me before I have answered. */
export const HELLO_PIPELINE = '#sluice pipeline'

const source = {
  receivedAt: z.number(),
  sourceType: z.enum(['IP4', 'IP6', 'Import', 'Stream', 'Sync', 'Stored']).catch('Stored'),
  sourceInfo: z.string().default(''),
}
const eventShape = z.object({
  id: z.string(),
  pubkey: z.string(),
  created_at: z.number(),
  kind: z.number(),
  tags: z.array(z.array(z.string())),
  content: z.string(),
  sig: z.string().default(''),
})
const requestShape = z.discriminatedUnion('type', [
  // strfry names one key in `authed`, and in some versions only for protected events: absent is unknown.
  z.object({ type: z.literal('new'), event: eventShape, authed: z.string().optional(), ...source }),
  // Ours: strfry has no read plugins.
  z.object({
    type: z.literal('read'),
    id: z.string(),
    verb: z.enum(['REQ', 'COUNT', 'NEG-OPEN']),
    filters: z.array(z.looseObject({})),
    authed: z.array(z.string()),
    ...source,
  }),
])
export type StdioRequest = z.output<typeof requestShape>

const replyShape = z.object({
  id: z.string(),
  action: z.enum(['accept', 'reject', 'shadowReject']),
  msg: z.string().nullish(),
})
export type StdioReply = z.output<typeof replyShape>
export const parseReply = (value: unknown) => replyShape.safeParse(value)

/** strfry's question about an event. */
export function newRequest(event: NostrEvent, ctx: PolicyContext): object {
  // One key is all that the protocol holds: the author's own, where it is proved.
  const authed = ctx.authed.includes(event.pubkey) ? event.pubkey : ctx.authed[0]
  return { type: 'new', event, ...sourceOf(ctx), ...(authed === undefined ? {} : { authed }) }
}

/** Our question about a REQ, COUNT or NEG-OPEN. */
export const readRequest = (id: string, { verb, filters }: ReadRequest, ctx: PolicyContext) => ({
  type: 'read',
  id,
  verb,
  filters,
  ...sourceOf(ctx),
  authed: ctx.authed,
})

const sourceOf = ({ receivedAt, source }: PolicyContext) => ({
  receivedAt,
  sourceType: source.type,
  sourceInfo: source.info,
})

/**
 * Answers requests from `input` on `output` until the input ends, each as soon as it is decided. What cannot be
 * read is logged and left without an answer; so is a type that is not known.
 *
 * @example
 * await serveStdio({ ...judge(policies, { deadlineMs: 5000, log }), input: process.stdin, output: process.stdout, log })
 */
export async function serveStdio(options: {
  write(event: NostrEvent, ctx: PolicyContext): Awaitable<Decision>
  read(request: ReadRequest, ctx: PolicyContext): Awaitable<Decision>
  input: Readable
  output: Writable
  log: { warn(fields: object, text: string): void }
}): Promise<void> {
  const { write, read, input, output, log } = options
  const { signal } = new AbortController()
  const pending = new Set<Promise<void>>()

  async function decide(request: StdioRequest): Promise<void> {
    const { receivedAt, sourceType: type, sourceInfo: info, authed = [] } = request
    const ctx = { source: { type, info }, authed: [authed].flat(), receivedAt, signal }
    if (request.type === 'read')
      return answer(
        request.id,
        await read({ verb: request.verb, filters: filtersOf(request) }, ctx),
      )
    const decision = await write(request.event, ctx)
    const unknown = request.authed === undefined && asksForAuth(decision)
    return answer(request.event.id, unknown ? whoAreYou : decision)
  }

  function answer(id: string, decision: Decision): void {
    output.write(`${replyLine(id, decision)}\n`)
  }

  for await (const line of createInterface({ input })) {
    const request = requestShape.safeParse(parseJson(line))
    if (!request.success) {
      log.warn({ line: line.slice(0, 200) }, 'a line on stdin is no request and gets no answer')
      continue
    }
    const deciding = decide(request.data).finally(() => pending.delete(deciding))
    pending.add(deciding)
  }
  await Promise.all(pending)
}

/** Authenticating again would not help: strfry does not pass on who did, except with a protected event. */
const whoAreYou = reject(
  'restricted: only an authenticated author may send this, and this relay tells its plugin who that is for protected events only: add a ["-"] tag',
)

const asksForAuth = (decision: Decision): boolean =>
  decision.action === 'reject' && decision.msg.startsWith('auth-required:')

/** A reply that fits into strfry's line; a rejection's sentence has a NIP-01 prefix, for it goes to the client raw. */
export function replyLine(id: string, decision: Decision): string {
  const said = 'msg' in decision ? (decision.msg ?? '') : ''
  const prefixed =
    decision.action !== 'reject' || /^[a-z-]+: /.test(said) ? said : `blocked: ${said}`
  const line = (msg: string) =>
    JSON.stringify({ id, action: decision.action, ...(msg === '' ? {} : { msg }) })
  const whole = line(prefixed.toWellFormed())
  if (Buffer.byteLength(whole) < MAX_REPLY_BYTES) return whole
  return line([...prefixed.toWellFormed()].slice(0, 1000).join(''))
}

const filtersOf = ({ filters }: Extract<StdioRequest, { type: 'read' }>): Filter[] =>
  filters as Filter[]

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
