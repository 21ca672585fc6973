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
import { type RailOffer, railOffers, railTag } from './stream-accept.ts'

/** What a 5614 says: how much the payee takes now, and what keeps a payment from being taken. */
export interface StreamFlowControl {
  readonly session: string
  readonly streamId: string
  readonly viewer: string
  readonly address?: string
  /** Cumulative amount that the payee takes for now. */
  readonly maxReceive: bigint
  /** Cumulative amount received so far. */
  readonly currentOffset: bigint
  /** The most payments a second that the payee takes from one viewer. */
  readonly rateLimit?: number
  /** Why payments are refused at the moment; absent when they are not. */
  readonly blocked?: string
  /** Ways to top up. */
  readonly rails: readonly RailOffer[]
}

/** The template of a 5614. Source: docs/events.md, 5614. Example: `host.sign(streamFlowControlTemplate(flow, now))`. */
export function streamFlowControlTemplate(
  flow: StreamFlowControl,
  createdAt: number,
): EventTemplate {
  const tags = [
    ['e', flow.session, '', 'open'],
    ['stream_id', flow.streamId],
    ['p', flow.viewer],
    ...(flow.address === undefined ? [] : [['a', flow.address]]),
    ['max_receive', String(flow.maxReceive)],
    ['current_offset', String(flow.currentOffset)],
    ...(flow.rateLimit === undefined ? [] : [['rate_limit', String(flow.rateLimit)]]),
    ...(flow.blocked === undefined ? [] : [['blocked', flow.blocked]]),
    ...flow.rails.map(railTag),
  ]
  return { kind: kinds.StreamFlowControl, created_at: createdAt, tags, content: '' }
}

/** Reads a 5614. */
export function parseStreamFlowControl(event: NostrEvent): Parsed<StreamFlowControl> {
  const session = markedEvent(event, 'open')
  if (!isHex64(session)) return unparsed('flow control needs ["e", <5610 id>, "", "open"]')
  const viewer = tagValue(event, 'p')
  if (!isHex64(viewer)) return unparsed('p needs to name the viewer')
  const maxReceive = parseAmount(tagValue(event, 'max_receive'))
  const currentOffset = parseAmount(tagValue(event, 'current_offset'))
  if (maxReceive === undefined || currentOffset === undefined)
    return unparsed('max_receive and current_offset are integers from 0 to 2^63-1')
  const rateLimit = tagValue(event, 'rate_limit')
  if (rateLimit !== undefined && !/^[1-9]\d{0,5}$/.test(rateLimit))
    return unparsed(`rate_limit "${rateLimit}" is not payments a second`)
  return parsed({
    session,
    streamId: tagValue(event, 'stream_id') ?? '',
    viewer,
    address: tagValue(event, 'a'),
    maxReceive,
    currentOffset,
    rateLimit: rateLimit === undefined ? undefined : Number(rateLimit),
    blocked: tagValue(event, 'blocked'),
    rails: railOffers(event),
  })
}
