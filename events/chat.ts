import {
  isHex64,
  type NostrEvent,
  type Parsed,
  parseAddress,
  parsed,
  tagsNamed,
  unparsed,
} from './event.ts'
import { kinds } from './kinds.ts'
import { parseAmount } from './money.ts'

/** What a 1311 says (NIP-53). */
export interface ChatMessage {
  readonly author: string
  /** Addresses of the streams or rooms it is said in; at least one. */
  readonly addresses: readonly string[]
  readonly text: string
  readonly payment?: { readonly receiptId: string; readonly amount: bigint }
}

const roomKinds: readonly number[] = [kinds.LiveStream, kinds.MeetingSpace, kinds.Meeting]

/** Reads a 1311 (docs/events.md, 1311). The content's length is the operator's to limit. */
export function parseChatMessage(event: NostrEvent): Parsed<ChatMessage> {
  const addresses = tagsNamed(event, 'a').flatMap(tag => {
    const address = parseAddress(tag[1] ?? '')
    return address && roomKinds.includes(address.kind) && address.d !== '' ? [tag[1] ?? ''] : []
  })
  if (addresses.length === 0)
    return unparsed('a chat message needs an a tag that names its stream, 30311:<host>:<d>')
  for (const tag of tagsNamed(event, 'e'))
    if (!isHex64(tag[1])) return unparsed(`e "${tag[1] ?? ''}" is not 64 lowercase hex`)
  if (event.content.trim() === '') return unparsed('a chat message needs a text')

  const [payment, ...more] = tagsNamed(event, 'payment')
  if (more.length > 0) return unparsed('a chat message has at most one payment tag')
  if (!payment) return parsed({ author: event.pubkey, addresses, text: event.content })
  const amount = parseAmount(payment[2])
  if (!isHex64(payment[1]) || amount === undefined || amount === 0n)
    return unparsed('payment needs the id of a 5613 and a positive amount')
  return parsed({
    author: event.pubkey,
    addresses,
    text: event.content,
    payment: { receiptId: payment[1], amount },
  })
}
