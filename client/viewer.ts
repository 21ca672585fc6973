import { isPaid, kinds, type NostrEvent, parseStreamOpen } from '../events/index.ts'
import { SluiceError } from './errors.ts'
import { randomHex } from './random.ts'
import type { Relay } from './relay.ts'
import { defaultSchedule, type PaySchedule } from './schedule.ts'
import { Session, type SessionState } from './session.ts'
import type { Stream } from './stream-book.ts'
import { streamOpenTemplate } from './templates.ts'
import { type Tip, tip } from './tip.ts'

export interface WatchOptions extends Partial<PaySchedule> {
  readonly onChange: (state: SessionState) => void
}

/** A session of before is taken up again within so many seconds. */
const RESUME_SECONDS = 6 * 3600

/**
 * The viewer's side: opens a payment session for a stream at its price and pays its payee (the relay, or the host where
 * the announcement says so) by the schedule. `self` is the relay's pubkey (`relayInfo`). Kinds 5610 to 5615 and 5650, docs/events.md.
 *
 * Example:
 * ```ts
 * const session = await viewer(relay, self).open(stream, { budget: 500n, onChange: state => show(state) })
 * session.pay() // receipts and grants arrive through onChange
 * await session.close()
 * ```
 */
export function viewer(relay: Relay, self: string) {
  return {
    /**
     * Opens a session, or takes up the one that an earlier visit left open. Nothing is paid until `pay()`.
     * Rejects with `RelayRefused` or `OpenRejected` and the relay's reason, or `SluiceError` for a free stream.
     */
    async open(stream: Stream, options: WatchOptions): Promise<Session> {
      if (!isPaid(stream)) throw new SluiceError('This stream is free: there is nothing to pay.')
      const schedule = { ...defaultSchedule, ...options }
      const { address, price: rate, payee = self } = stream
      const common = { relay, self, payee, address, rate, schedule }
      const begin = async (open: NostrEvent, known: boolean) => {
        const session = new Session({ ...common, open, onChange: options.onChange })
        await session.start(known)
        return session
      }
      const left = await leftOpen(relay, payee, stream, schedule.budget).catch(() => undefined)
      // What was left open may be refused by now; then it is simply begun anew.
      const resumed = left && (await begin(left, true).catch(() => undefined))
      return resumed ?? begin(await newOpen(relay, payee, stream, schedule.budget), false)
    },

    /** Gives the host something, once; `asset` where the stream has no price of its own. See `tip`. */
    tip: (stream: Stream, amount: bigint, asset = 'CREDIT'): Promise<Tip> =>
      tip(relay, self, stream, amount, stream.price?.asset ?? asset),
  }
}

export type Viewer = ReturnType<typeof viewer>

function newOpen(relay: Relay, payee: string, stream: Stream, budget: bigint): Promise<NostrEvent> {
  const { price } = stream
  if (!price) throw new SluiceError('This stream is free: there is nothing to pay.')
  return relay.signer.sign(
    streamOpenTemplate({
      streamId: randomHex(16),
      payee,
      purpose: 'video_access',
      rate: price,
      address: stream.address,
      asset: price.asset,
      maxTotal: budget === defaultSchedule.budget ? undefined : budget,
      createdAt: now(),
    }),
  )
}

/** The newest 5610 of ours for this stream at this price and budget that nobody has closed. */
async function leftOpen(
  relay: Relay,
  payee: string,
  stream: Stream,
  budget: bigint,
): Promise<NostrEvent | undefined> {
  const me = await relay.signer.pubkey()
  const mine = { kinds: [kinds.StreamOpen], authors: [me], '#a': [stream.address] }
  const [open] = await relay.query([{ ...mine, since: now() - RESUME_SECONDS, limit: 1 }])
  const said = open && parseStreamOpen(open)
  if (!open || !said?.ok) return undefined
  const { rate, payee: to, maxTotal = defaultSchedule.budget } = said.value
  const fits = rate.amount === stream.price?.amount && rate.unit === stream.price.unit
  if (!fits || to !== payee || maxTotal !== budget) return undefined
  const closes = await relay.query([{ kinds: [kinds.StreamClose], '#e': [open.id], '#p': [me] }])
  const own = await relay.query([{ kinds: [kinds.StreamClose], '#e': [open.id], authors: [me] }])
  return closes.length + own.length > 0 ? undefined : open
}

const now = (): number => Math.floor(Date.now() / 1000)
