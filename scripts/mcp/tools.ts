import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import {
  findStream,
  host,
  type ManualSession,
  openManually,
  type RelayClient,
  resumeManually,
  SluiceError,
  type Stream,
  sentenceOf,
} from '../../client/index.ts'
import {
  announcedStatuses,
  describePrice,
  type HostGrant,
  isPaid,
  kinds,
  parseAmount,
  parsePrice,
  tagValue,
  timeUnits,
  type ViewerGrant,
} from '../../events/index.ts'
import type { Purse } from './purse.ts'

const INGEST_WAIT_MS = 5_000

const amount = z
  .string()
  .refine(text => (parseAmount(text) ?? 0n) > 0n, 'needs a positive integer, as text')
const address = z
  .string()
  .regex(/^30311:[0-9a-f]{64}:.+$/s, 'needs the address of a stream, 30311:<host>:<d>')
const session = z.string().regex(/^[0-9a-f]{64}$/, 'needs the session id that opening gave')

/**
 * The agent's skills on one relay, as tools of an MCP server. Nothing is signed that the purse does not allow. A refusal
 * is the tool's error, in the words of whoever refused.
 */
export function agentTools(
  relay: RelayClient,
  self: string,
  purse: Purse,
  version: string,
): McpServer {
  const server = new McpServer({ name: 'sluice', version })
  const me = host(relay, self)
  /** Payments one after the other: each looks at what the others have promised. */
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    const mine = turn.then(job)
    turn = mine.catch(() => undefined)
    return mine
  }

  server.registerTool(
    'announce_stream',
    {
      description:
        'Announce, update or end a live stream of your own (NIP-53). Gives its address and, while it is not ended, where to send the media.',
      inputSchema: {
        d: z.string().min(1).max(100).describe('names the stream among your own'),
        title: z.string().max(200),
        status: z.enum(announcedStatuses).default('planned'),
        summary: z.string().max(2000).optional(),
        image: z.url().optional(),
        price: z
          .object({ amount, unit: z.enum(timeUnits), asset: z.string() })
          .optional()
          .describe('what watching costs; absent: free'),
        free_preview_seconds: z.int().min(0).max(3600).optional(),
      },
    },
    ({ d, title, status, summary, image, price, free_preview_seconds }) =>
      answer(async () => {
        const show = {
          ...{ d, title, status, summary, image, freePreviewSeconds: free_preview_seconds },
          price: price && readPrice(price),
        }
        if (status === 'ended') {
          await me.end(show)
          return { ended: d }
        }
        const announced = await me.announce(show)
        return { address: announced, ...(await ingestOf(me, announced)) }
      }),
  )

  server.registerTool(
    'request_stream_access',
    {
      description:
        'Ask for the playback URL of a stream: given for a free stream, and for a paid one while a payment session of yours is paid up.',
      inputSchema: { address },
    },
    input =>
      answer(async () => {
        const stream = await find(input.address)
        const { title, phase } = stream
        if (!isPaid(stream)) return { title, phase, playback_url: stream.playbackUrl }
        const grant = await currentGrant(stream)
        if (!grant)
          throw new SluiceError(
            `This stream costs ${describePrice(stream.price)}: open a payment stream for it and pay.`,
          )
        return { title, phase, playback_url: grant.playbackUrl, expires_at: grant.expiresAt }
      }),
  )

  server.registerTool(
    'open_payment_stream',
    {
      description:
        'Open a payment session for a paid stream. Pays nothing yet; a free preview begins with it.',
      inputSchema: {
        address,
        max_total: amount.optional().describe('your own limit for this session'),
      },
    },
    input =>
      answer(async () => {
        const stream = await find(input.address)
        if (stream.price && stream.price.asset !== purse.cap.asset)
          throw new SluiceError(
            `The spending cap is in ${purse.cap.asset}: nothing may be paid in ${stream.price.asset}.`,
          )
        const left = purse.left()
        if (left === 0n) throw new SluiceError('The spending cap is used up.')
        const asked = input.max_total === undefined ? left : BigInt(input.max_total)
        const maxTotal = asked < left ? asked : left
        const opened = await openManually(relay, self, stream, { maxTotal })
        return {
          session: opened.id,
          price: stream.price && describePrice(stream.price),
          max_total: String(maxTotal),
          max_receive: String(opened.accept.maxReceive),
          free_preview_seconds: opened.accept.freePreviewSeconds,
          ...(opened.accept.freePreviewSeconds > 0 ? await playbackOf(opened) : {}),
        }
      }),
  )

  server.registerTool(
    'send_stream_payment',
    {
      description:
        'Pay an amount more into an open payment session; gives until when the stream is paid, and its playback URL.',
      inputSchema: { session, amount },
    },
    input =>
      answer(() =>
        inTurn(async () => {
          const paying = await resumeManually(relay, self, input.session)
          const asset = paying.open.asset ?? 'an asset that nobody named'
          const receipt = await paying.pay(
            BigInt(input.amount),
            async promise => purse.promise(paying.id, asset, promise),
            purse.sequenceOf(paying.id),
          )
          return {
            received: String(receipt.received),
            total_received: String(receipt.totalReceived),
            paid_until: receipt.paidUntil,
            cap_left: String(purse.left()),
            ...(await playbackOf(paying)),
          }
        }),
      ),
  )

  server.registerTool(
    'close_payment_stream',
    {
      description:
        'Close a payment session; what was paid and not yet due goes back to your balance.',
      inputSchema: { session },
    },
    input =>
      answer(() =>
        inTurn(async () => {
          const closing = await resumeManually(relay, self, input.session)
          const account = await closing.close()
          // Only the relay's word counts: it holds the balance that the rest goes back to.
          if (account && closing.open.payee === self) purse.settle(closing.id, account.kept)
          return {
            kept: account && String(account.kept),
            refunded: account && String(account.refunded),
            cap_left: String(purse.left()),
          }
        }),
      ),
  )

  async function find(wanted: string): Promise<Stream> {
    const stream = await findStream(relay, self, wanted)
    if (!stream) throw new SluiceError('This relay knows no such stream.')
    return stream
  }

  async function currentGrant(stream: Stream): Promise<ViewerGrant | undefined> {
    const pubkey = await relay.signer.pubkey()
    const filter = {
      kinds: [kinds.AccessGrant],
      authors: [self],
      '#p': [pubkey],
      '#a': [stream.address],
    }
    const now = Date.now() / 1000
    for (const event of await relay.query([filter]))
      if (tagValue(event, 'role') === 'viewer' && Number(tagValue(event, 'expiration')) > now)
        return JSON.parse(await relay.signer.decrypt(self, event.content))
    return undefined
  }

  return server
}

async function playbackOf(session: ManualSession) {
  const grant = await session.grant()
  return grant ? { playback_url: grant.playbackUrl, grant_expires_at: grant.expiresAt } : {}
}

/** Where the host sends media, as soon as the relay says; or what keeps it from saying. */
async function ingestOf(me: ReturnType<typeof host>, announced: string) {
  let end: () => void = () => {}
  const said = await new Promise<HostGrant | { problem: string }>(resolve => {
    const timer = setTimeout(
      () => resolve({ problem: 'The relay has not said yet where to send the media.' }),
      INGEST_WAIT_MS,
    )
    const settle = (value: HostGrant | { problem: string }) => {
      clearTimeout(timer)
      resolve(value)
    }
    me.onIngest(announced, settle, error => settle({ problem: sentenceOf(error) })).then(
      stop => {
        end = stop
      },
      error => settle({ problem: sentenceOf(error) }),
    )
  })
  end()
  return said
}

function readPrice(said: { amount: string; unit: string; asset: string }) {
  const price = parsePrice(['price', said.amount, said.unit, said.asset])
  if (!price.ok) throw new SluiceError(price.msg)
  return price.value
}

async function answer(job: () => Promise<object>): Promise<CallToolResult> {
  try {
    return { content: [{ type: 'text', text: JSON.stringify(await job(), undefined, 2) }] }
  } catch (error) {
    if (!(error instanceof SluiceError)) console.error('sluice mcp:', error)
    return { isError: true, content: [{ type: 'text', text: sentenceOf(error) }] }
  }
}
