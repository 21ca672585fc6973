import {
  isHex64,
  type NostrEvent,
  type Parsed,
  parseAddress,
  parsed,
  tagsNamed,
  tagValue,
  unparsed,
} from './event.ts'
import { kinds } from './kinds.ts'
import { parseAmount, parseRate, type Rate } from './money.ts'

export const purposes = ['video_access', 'task_payment', 'subscription', 'tip', 'custom'] as const
export type Purpose = (typeof purposes)[number]

/** What a 5610 asks for: a payment session from its author (the viewer) to `payee`. */
export interface StreamOpen {
  readonly id: string
  readonly viewer: string
  readonly payee: string
  readonly streamId: string
  readonly purpose: Purpose
  readonly rate: Rate
  /** The stream's address; always there for video_access. */
  readonly address?: string
  readonly maxTotal?: bigint
  readonly asset?: string
  readonly rail?: string
}

const STREAM_ID = /^[0-9a-zA-Z-]{16,64}$/

/** Reads a 5610 (docs/events.md, 5610). */
export function parseStreamOpen(event: NostrEvent): Parsed<StreamOpen> {
  const streamId = tagValue(event, 'stream_id')
  if (streamId === undefined || !STREAM_ID.test(streamId))
    return unparsed('stream_id needs 16 to 64 of 0-9 a-z A-Z and -')
  const ps = tagsNamed(event, 'p')
  const payee = ps[0]?.[1]
  if (ps.length !== 1 || !isHex64(payee)) return unparsed('p needs to name one payee')
  const purpose = tagValue(event, 'purpose')
  if (!(purposes as readonly (string | undefined)[]).includes(purpose))
    return unparsed(`purpose "${purpose ?? ''}" is none of ${purposes.join(', ')}`)
  const rateTag = tagsNamed(event, 'rate')[0]
  if (!rateTag) return unparsed('rate is missing, for example ["rate","10","second"]')
  const rate = parseRate(rateTag)
  if (!rate.ok) return rate
  const address = tagValue(event, 'a')
  if (address !== undefined && parseAddress(address)?.kind !== kinds.LiveStream)
    return unparsed('a needs to name a stream, 30311:<host>:<d>')
  if (purpose === 'video_access' && address === undefined)
    return unparsed('video_access needs an a tag that names the stream, 30311:<host>:<d>')
  const maxTotalText = tagValue(event, 'max_total')
  const maxTotal = parseAmount(maxTotalText)
  if (maxTotalText !== undefined && maxTotal === undefined)
    return unparsed(`max_total "${maxTotalText}" is not an amount`)
  return parsed({
    id: event.id,
    viewer: event.pubkey,
    payee,
    streamId,
    purpose: purpose as Purpose,
    rate: rate.value,
    address,
    maxTotal,
    asset: tagValue(event, 'asset'),
    rail: tagValue(event, 'rail'),
  })
}
