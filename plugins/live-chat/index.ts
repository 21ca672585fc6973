import { z } from 'zod'
import {
  type ChatMessage,
  kinds,
  type NostrEvent,
  parseChatMessage,
  tagsNamed,
  tagValue,
} from '../../events/index.ts'
import { fromClient } from '../../policies/source.ts'
import { tokenBuckets } from '../../policies/token-bucket.ts'
import { collection } from '../collection.ts'
import { isWatching, tipOf } from '../payment-stream/access.ts'
import {
  accept,
  type Decision,
  decisionOf,
  definePlugin,
  type Host,
  type Policy,
  type PolicyContext,
  type Reader,
  reject,
} from '../plugin.ts'
import { chatHistory } from './history.ts'
import { hostReports, wasTakenOut } from './host-reports.ts'
import { roomOf } from './room.ts'

const options = z.object({
  /** Characters (Unicode code points) in one message. */
  maxLength: z.int().min(1).default(500),
  /** Messages a second of one author in one stream, on average and at once. */
  ratePerSecond: z.number().positive().default(1),
  burst: z.int().min(1).default(3),
  /** Pubkeys (hex) that the operator keeps out of every chat. */
  banned: z.array(z.string().regex(/^[0-9a-f]{64}$/)).default([]),
  /** Messages that stay of a stream that is over; 0 keeps all. */
  keepMessages: z.int().min(0).default(100),
})
type Options = z.output<typeof options>

/** Receipts that already paid for a message: receipt id -> message id. */
const spentReceipts = collection('chat-payment', z.object({ message: z.string() }))

/** Live chat (1311): shape, length, pace, the host's mutes and reports, chat for viewers only, paid messages. NIP-53. */
export default definePlugin({
  name: 'live-chat',
  options,
  setup(host, options) {
    const { history, start } = chatHistory(host, options.keepMessages)
    return {
      policies: [chatPolicy(host, options)],
      handles: { [kinds.LiveChat]: event => store(host, event) },
      onStored: { [kinds.Report]: hostReports(host) },
      reads: [kinds.MuteList],
      jobs: { history },
      start,
    }
  },
})

function chatPolicy(host: Host, options: Options): Policy {
  const { maxLength, ratePerSecond, burst, banned } = options
  const pace = tokenBuckets({ ratePerSecond, burst, maxKeys: 100_000 })
  const outcasts = new Set(banned)

  async function manners(id: string, message: ChatMessage, ctx: PolicyContext): Promise<Decision> {
    const { author } = message
    if (await wasTakenOut(host.store, id))
      return reject('blocked: the host of this stream took this message out of the chat')
    for (const address of message.addresses) {
      const verdict = await roomVerdict(host, author, address)
      if (verdict.action !== 'accept') return verdict
      if (fromClient(ctx) && !pace.take(`${author} ${address}`, host.clock.now()))
        return reject(`rate-limited: ${ratePerSecond} message a second in a chat, wait a moment`)
    }
    return accept
  }

  return {
    name: 'live-chat',
    writeKinds: [kinds.LiveChat],
    write(event, ctx) {
      const said = parseChatMessage(event)
      if (!said.ok) return reject(`invalid: ${said.msg}`)
      // A code point is one or two units: only what could be too long is counted.
      const length = event.content.length > maxLength ? [...event.content].length : 0
      if (length > maxLength)
        return reject(
          `invalid: a chat message has at most ${maxLength} characters, this one ${length}`,
        )
      if (outcasts.has(event.pubkey))
        return reject('blocked: the operator keeps you out of the chats here')
      return manners(event.id, said.value, ctx)
    },
  }
}

/** Whether this author may speak in this room now; nothing is remembered of it. */
async function roomVerdict(
  { store, self, clock }: Host,
  author: string,
  address: string,
): Promise<Decision> {
  const room = await roomOf(store, self, address)
  if (!room || room.host === author) return accept
  const mutes = await store.events([{ kinds: [kinds.MuteList], authors: [room.host], limit: 1 }])
  if (mutes[0] && tagsNamed(mutes[0], 'p').some(tag => tag[1] === author))
    return reject('blocked: the host of this stream has muted you')
  const { stream } = room
  if (stream?.chat === 'grant' && !(await isWatching(store, author, stream, clock.now())))
    return reject('restricted: chat on this stream is for viewers with a grant')
  return accept
}

/** A paid message is stored together with the receipt that it uses up. */
function store(host: Host, event: NostrEvent): Promise<Decision> | 'store' {
  if (tagValue(event, 'payment') === undefined) return 'store'
  return host.store.transaction(async tx => {
    const said = parseChatMessage(event)
    const payment = said.ok ? said.value.payment : undefined
    if (said.ok && payment) {
      const problem = await paymentProblem(tx, host.self, said.value, payment)
      if (problem) return reject(`restricted: ${problem}`)
      await spentReceipts.put(tx, payment.receiptId, { message: event.id })
    }
    return decisionOf(await tx.putEvent(event))
  })
}

async function paymentProblem(
  reader: Reader,
  self: string,
  message: ChatMessage,
  payment: { receiptId: string; amount: bigint },
): Promise<string | undefined> {
  if (await spentReceipts.get(reader, payment.receiptId))
    return 'this receipt already paid for a message, pay again for the next'
  const receipt = await reader.event(payment.receiptId)
  const tip = receipt && (await tipOf(reader, self, receipt))
  if (tip?.viewer !== message.author || !message.addresses.includes(tip.address))
    return 'the payment tag names no receipt of yours for a tip to this stream'
  if (tip.amount !== payment.amount)
    return `the receipt says ${tip.amount}, the message ${payment.amount}`
  return undefined
}
