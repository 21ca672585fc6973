import {
  kinds,
  markedEvent,
  type NostrEvent,
  parseStreamAccept,
  streamCloseTemplate,
} from '../events/index.ts'
import { OpenRejected, RelayTimeout } from './errors.ts'
import { randomHex } from './random.ts'
import type { Relay } from './relay.ts'
import type { Stream } from './stream-book.ts'
import { streamMoneyTemplate, streamOpenTemplate } from './templates.ts'

/** A tip that was paid: what `say` of `chat` needs for a paid message. */
export interface Tip {
  readonly receiptId: string
  readonly amount: bigint
}

const ANSWER_WAIT_MS = 15_000
const TIP_ANSWERS = [kinds.StreamAccept, kinds.StreamReceipt, kinds.StreamClose]

/**
 * Gives the host of a stream something, once: a session of its own (purpose tip), one payment, its receipt, closed again.
 * `self` is the relay's pubkey, `asset` what the amount is in. Rejects with `RelayRefused`, `OpenRejected` or `RelayTimeout`;
 * nothing is paid then, or what was paid is on record at the relay.
 *
 * Example: `const payment = await tip(relay, self, stream, 100n, 'CREDIT'); await room.say('Bravo!', { payment })`.
 */
export async function tip(
  relay: Relay,
  self: string,
  stream: Pick<Stream, 'address'>,
  amount: bigint,
  asset: string,
): Promise<Tip> {
  const me = await relay.signer.pubkey()
  const { address } = stream
  const streamId = randomHex(16)
  const open = await relay.signer.sign(
    streamOpenTemplate({
      streamId,
      payee: self,
      purpose: 'tip',
      rate: { amount: 0n, unit: 'second' },
      address,
      asset,
      maxTotal: amount,
      createdAt: now(),
    }),
  )
  const heard = answers(relay, [
    { kinds: TIP_ANSWERS, authors: [self], '#p': [me], '#e': [open.id] },
  ])
  try {
    await relay.publish(open)
    const accept = await heard.next(({ kind }) => kind !== kinds.StreamReceipt)
    const said = parseStreamAccept(accept)
    if (!said.ok || said.value.status === 'rejected')
      throw new OpenRejected(said.ok ? said.value.message : accept.content)
    const common = { session: open.id, streamId, address, createdAt: now() }
    const voucher = { payee: self, sequence: 1n, totalSent: amount }
    const money = await relay.send(streamMoneyTemplate({ ...common, ...voucher }))
    const receipt = await heard.next(event => markedEvent(event, 'money') === money.id)
    const totals = { finalSent: amount, finalReceived: amount, reason: 'complete' as const }
    // The tip is paid: a close that fails leaves an idle session, which the relay closes by itself.
    await relay.send(streamCloseTemplate({ ...common, ...totals, to: self }, now())).catch(() => {})
    return { receiptId: receipt.id, amount }
  } finally {
    heard.end()
  }
}

/** The events that come for some filters, to be waited for one after the other. */
function answers(relay: Relay, filters: Parameters<Relay['subscribe']>[0]) {
  const inbox: NostrEvent[] = []
  let look = (): void => {}
  const end = relay.subscribe(filters, {
    onEvent(event) {
      inbox.push(event)
      look()
    },
  })
  return {
    end,
    next: (fits: (event: NostrEvent) => boolean): Promise<NostrEvent> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new RelayTimeout()), ANSWER_WAIT_MS)
        look = () => {
          const found = inbox.find(fits)
          if (!found) return
          clearTimeout(timer)
          resolve(found)
        }
        look()
      }),
  }
}

const now = (): number => Math.floor(Date.now() / 1000)
