import {
  type Filter,
  isPaid,
  kinds,
  type NostrEvent,
  parseAmount,
  parseStreamAccept,
  parseStreamOpen,
  parseStreamReceipt,
  type StreamAccept,
  type StreamOpen,
  type StreamReceipt,
  streamCloseTemplate,
  tagValue,
  type ViewerGrant,
} from '../events/index.ts'
import { OpenRejected, RelayTimeout, SluiceError } from './errors.ts'
import { randomHex } from './random.ts'
import type { Relay } from './relay.ts'
import type { Stream } from './stream-book.ts'
import { streamMoneyTemplate, streamOpenTemplate } from './templates.ts'

/** How long an answer of the payee may take. */
const ANSWER_MS = 15_000

/** A payment about to be signed: the cumulative total that it promises, and its sequence. */
export interface Promise5612 {
  readonly total: bigint
  readonly sequence: bigint
}

/** What a session came to, by its payee's 5615. */
export interface SessionAccount {
  readonly kept: bigint
  readonly refunded: bigint
}

/**
 * A payment session that is paid by hand, one amount at a time, where `viewer` pays by a schedule: for programs that decide
 * about each payment. Nothing is kept here: where it stands is asked of the relay before each payment.
 *
 * Example:
 * ```ts
 * const session = await openManually(relay, self, stream, { maxTotal: 500n })
 * const { paidUntil } = await session.pay(100n)
 * ```
 */
export function manualSession(relay: Relay, self: string, open: StreamOpen) {
  const { id, viewer, payee, streamId, address = '' } = open
  const about = (kind: number, from = payee): Filter => ({
    kinds: [kind],
    authors: [from],
    '#e': [id],
    '#p': [viewer],
  })

  /** The newest receipt; undefined before anything was received. */
  async function receipt(): Promise<StreamReceipt | undefined> {
    const read = (await relay.query([about(kinds.StreamReceipt)]))
      .map(parseStreamReceipt)
      .flatMap(said => (said.ok ? [said.value] : []))
    return read.sort((a, b) => Number(b.totalReceived - a.totalReceived))[0]
  }

  return {
    id,
    open,

    receipt,

    /**
     * Pays `amount` more and gives the receipt. `beforeSigning` sees what is about to be promised, and prevents it by
     * throwing; `after` is the highest sequence used before, where the caller remembers. Rejects as `publish` does.
     */
    async pay(
      amount: bigint,
      beforeSigning: (promise: Promise5612) => Promise<void> = async () => {},
      after = 0n,
    ): Promise<StreamReceipt> {
      const last = await receipt()
      const total = (last?.totalReceived ?? 0n) + amount
      const sequence = 1n + ((last?.sequence ?? 0n) > after ? (last?.sequence ?? 0n) : after)
      await beforeSigning({ total, sequence })
      const common = { session: id, streamId, payee, address, createdAt: now() }
      const money = await relay.signer.sign(
        streamMoneyTemplate({ ...common, sequence, totalSent: total }),
      )
      await relay.publish(money)
      const answer = await firstOf(relay, { ...about(kinds.StreamReceipt), '#e': [money.id] })
      const said = parseStreamReceipt(answer)
      if (!said.ok) throw new SluiceError(`The receipt is unreadable: ${said.msg}.`)
      return said.value
    },

    /** The access grant that is good now; undefined when none comes within `waitMs`. */
    async grant(waitMs = 5_000): Promise<ViewerGrant | undefined> {
      const fresh = (event: NostrEvent) => Number(tagValue(event, 'expiration')) > now()
      const event = await firstOf(relay, about(kinds.AccessGrant, self), waitMs, fresh).catch(
        (error: unknown) => {
          if (error instanceof RelayTimeout) return undefined
          throw error
        },
      )
      if (!event) return undefined
      return JSON.parse(await relay.signer.decrypt(self, event.content)) as ViewerGrant
    },

    /** Ends it, and gives the payee's account; undefined where the payee gave none in time. */
    async close(): Promise<SessionAccount | undefined> {
      const received = (await receipt())?.totalReceived ?? 0n
      const account = { finalSent: received, finalReceived: received }
      const whom = { session: id, streamId, to: payee, address, reason: 'complete' as const }
      await relay.send(streamCloseTemplate({ ...whom, ...account }, now()))
      const answer = await firstOf(relay, about(kinds.StreamClose)).catch(() => undefined)
      const kept = answer && parseAmount(tagValue(answer, 'final_received'))
      const refunded = answer && parseAmount(tagValue(answer, 'refunded'))
      return kept === undefined ? undefined : { kept, refunded: refunded ?? 0n }
    },
  }
}

export type ManualSession = ReturnType<typeof manualSession>

/** Opens a session for a paid stream and waits for the payee's answer. Rejects with `OpenRejected` or `RelayRefused`. */
export async function openManually(
  relay: Relay,
  self: string,
  stream: Stream,
  options: { maxTotal?: bigint } = {},
): Promise<ManualSession & { accept: StreamAccept }> {
  if (!isPaid(stream)) throw new SluiceError('This stream is free: there is nothing to pay.')
  const { address, price, payee = self } = stream
  const event = await relay.send(
    streamOpenTemplate({
      ...{ streamId: randomHex(16), payee, purpose: 'video_access', rate: price, address },
      ...{ asset: price.asset, maxTotal: options.maxTotal, createdAt: now() },
    }),
  )
  const open = parseStreamOpen(event)
  if (!open.ok) throw new SluiceError(open.msg)
  const answers = {
    ...{ kinds: [kinds.StreamAccept], authors: [payee] },
    ...{ '#e': [event.id], '#p': [event.pubkey] },
  }
  const accept = parseStreamAccept(await firstOf(relay, answers))
  if (!accept.ok || accept.value.status === 'rejected')
    throw new OpenRejected(accept.ok ? accept.value.message : accept.msg)
  return { ...manualSession(relay, self, open.value), accept: accept.value }
}

/** Takes up the session with that id (of its 5610), which this key opened before. */
export async function resumeManually(
  relay: Relay,
  self: string,
  id: string,
): Promise<ManualSession> {
  const me = await relay.signer.pubkey()
  const [event] = await relay.query([{ ids: [id], kinds: [kinds.StreamOpen], authors: [me] }])
  const open = event && parseStreamOpen(event)
  if (!open?.ok) throw new SluiceError('This relay knows no such payment session of yours.')
  return manualSession(relay, self, open.value)
}

/** The first event that matches, stored or to come. Rejects with `RelayTimeout` after `waitMs`. */
function firstOf(
  relay: Relay,
  filter: Filter,
  waitMs = ANSWER_MS,
  fits: (event: NostrEvent) => boolean = () => true,
): Promise<NostrEvent> {
  return new Promise((resolve, reject) => {
    let end: () => void = () => {}
    const settle = (finish: () => void) => {
      clearTimeout(timer)
      end()
      finish()
    }
    const timer = setTimeout(() => settle(() => reject(new RelayTimeout())), waitMs)
    end = relay.subscribe([filter], {
      onEvent: event => fits(event) && settle(() => resolve(event)),
      onClosed: error => settle(() => reject(error)),
    })
  })
}

const now = (): number => Math.floor(Date.now() / 1000)
