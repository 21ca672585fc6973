import {
  type EventTemplate,
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagValue,
  unparsed,
} from './event.ts'
import { kinds } from './kinds.ts'
import { parseAmount } from './money.ts'

/** What a 5613 says: the payee settled one 5612. */
export interface StreamReceipt {
  /** The id of the 5612 that it settles. */
  readonly money: string
  readonly session: string
  readonly streamId: string
  readonly viewer: string
  readonly address?: string
  readonly sequence: bigint
  /** What this payment added. */
  readonly received: bigint
  readonly totalReceived: bigint
  /** Unix seconds; moves along while the stream stands still. */
  readonly paidUntil: number
  /** Unix seconds (NIP-40), where the payee lets it go. */
  readonly expiration?: number
}

/** The template of a 5613. Source: docs/events.md, 5613. Example: `host.sign(streamReceiptTemplate(receipt, now))`. */
export function streamReceiptTemplate(receipt: StreamReceipt, createdAt: number): EventTemplate {
  const tags = [
    ['e', receipt.money, '', 'money'],
    ['e', receipt.session, '', 'open'],
    ['stream_id', receipt.streamId],
    ['p', receipt.viewer],
    ...(receipt.address === undefined ? [] : [['a', receipt.address]]),
    ['sequence', String(receipt.sequence)],
    ['received', String(receipt.received)],
    ['total_received', String(receipt.totalReceived)],
    ['paid_until', String(receipt.paidUntil)],
    ...(receipt.expiration === undefined ? [] : [['expiration', String(receipt.expiration)]]),
  ]
  return { kind: kinds.StreamReceipt, created_at: createdAt, tags, content: '' }
}

/** Reads a 5613. */
export function parseStreamReceipt(event: NostrEvent): Parsed<StreamReceipt> {
  const money = markedEvent(event, 'money')
  const session = markedEvent(event, 'open')
  if (!isHex64(money) || !isHex64(session))
    return unparsed('a receipt needs e tags with the markers money and open')
  const viewer = tagValue(event, 'p')
  if (!isHex64(viewer)) return unparsed('p needs to name the viewer')
  const sequence = parseAmount(tagValue(event, 'sequence'))
  const received = parseAmount(tagValue(event, 'received'))
  const totalReceived = parseAmount(tagValue(event, 'total_received'))
  if (sequence === undefined || received === undefined || totalReceived === undefined)
    return unparsed('sequence, received and total_received are integers from 0 to 2^63-1')
  const paidUntil = unixSeconds(tagValue(event, 'paid_until'))
  if (paidUntil === undefined) return unparsed('paid_until is not a unix time in seconds')
  return parsed({
    money,
    session,
    streamId: tagValue(event, 'stream_id') ?? '',
    viewer,
    address: tagValue(event, 'a'),
    sequence,
    received,
    totalReceived,
    paidUntil,
    expiration: unixSeconds(tagValue(event, 'expiration')),
  })
}

const unixSeconds = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,11}$/.test(text) ? Number(text) : undefined
