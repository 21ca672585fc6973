import {
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagsNamed,
  tagValue,
  unparsed,
} from './event.ts'
import { parseAmount } from './money.ts'

/** What a 5612 promises: a signed cumulative voucher in the session that a 5610 opened. */
export interface StreamMoney {
  readonly id: string
  readonly viewer: string
  readonly payee: string
  /** The id of the session's 5610. */
  readonly session: string
  readonly streamId: string
  readonly address?: string
  readonly sequence: bigint
  /** Cumulative, in the asset's smallest unit. */
  readonly totalSent: bigint
  readonly minReceive?: bigint
  readonly chunkRef?: string
  readonly proof?: { readonly rail: string; readonly data: string }
}

/** Reads a 5612 (docs/events.md, 5612). */
export function parseStreamMoney(event: NostrEvent): Parsed<StreamMoney> {
  const session = markedEvent(event, 'open')
  if (!isHex64(session)) return unparsed('a payment needs ["e", <5610 id>, "", "open"]')
  const payee = tagValue(event, 'p')
  if (!isHex64(payee)) return unparsed('p needs to name the payee')
  const sequence = parseAmount(tagValue(event, 'sequence'))
  if (sequence === undefined) return unparsed('sequence is not an integer from 0 to 2^63-1')
  const totalSent = parseAmount(tagValue(event, 'total_sent'))
  if (totalSent === undefined)
    return unparsed('total_sent is not an integer amount from 0 to 2^63-1')
  const minText = tagValue(event, 'min_receive')
  const minReceive = parseAmount(minText)
  if (minText !== undefined && minReceive === undefined)
    return unparsed(`min_receive "${minText}" is not an amount`)
  const proofs = tagsNamed(event, 'proof')
  const [, rail, data] = proofs[0] ?? []
  if (proofs.length > 1 || (proofs.length === 1 && (!rail || data === undefined)))
    return unparsed('proof needs to be one ["proof", <rail>, <data>]')
  return parsed({
    id: event.id,
    viewer: event.pubkey,
    payee,
    session,
    streamId: tagValue(event, 'stream_id') ?? '',
    address: tagValue(event, 'a'),
    sequence,
    totalSent,
    minReceive,
    chunkRef: tagValue(event, 'chunk_ref'),
    proof: rail ? { rail, data: data ?? '' } : undefined,
  })
}
