import {
  type EventTemplate,
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagsNamed,
  tagValue,
  unparsed,
} from './event.ts'
import { kinds } from './kinds.ts'
import { parseAmount } from './money.ts'

/** One way to fund a session: `["rail", id, finality, terms...]`. */
export interface RailOffer {
  readonly id: string
  /** When money on this rail counts, for example `instant`. */
  readonly finality: string
  readonly terms: readonly string[]
}

/** What a 5611 says: the payee's answer to a 5610. */
export interface StreamAccept {
  readonly session: string
  readonly streamId: string
  readonly viewer: string
  readonly address?: string
  readonly status: 'accepted' | 'rejected'
  readonly asset: string
  /** Digits of the asset behind the point. */
  readonly scale: number
  /** Cumulative amount that the payee takes for now; a 5614 raises it. */
  readonly maxReceive: bigint
  /** Seconds. */
  readonly freePreviewSeconds: number
  readonly rails: readonly RailOffer[]
  /** NIP-44 to the viewer: 64 hex, from which the conditions of ILP packets are made. */
  readonly sharedSecret?: string
  /** NIP-44 to the viewer: where ILP packets of this session go. */
  readonly ilpAddress?: string
  /** Why not, where it was rejected. */
  readonly message: string
}

/** The template of a 5611. Source: docs/events.md, 5611. Example: `host.sign(streamAcceptTemplate(accept, now))`. */
export function streamAcceptTemplate(accept: StreamAccept, createdAt: number): EventTemplate {
  const tags = [
    ['e', accept.session, '', 'open'],
    ['stream_id', accept.streamId],
    ['p', accept.viewer],
    ...(accept.address === undefined ? [] : [['a', accept.address]]),
    ['status', accept.status],
    ['asset_code', accept.asset],
    ['asset_scale', String(accept.scale)],
    ['max_receive', String(accept.maxReceive)],
    ...(accept.freePreviewSeconds === 0
      ? []
      : [['free_preview', String(accept.freePreviewSeconds)]]),
    ...accept.rails.map(railTag),
    ...optional('shared_secret', accept.sharedSecret),
    ...optional('ilp_address', accept.ilpAddress),
  ]
  return { kind: kinds.StreamAccept, created_at: createdAt, tags, content: accept.message }
}

/** Reads a 5611. */
export function parseStreamAccept(event: NostrEvent): Parsed<StreamAccept> {
  const session = markedEvent(event, 'open')
  if (!isHex64(session)) return unparsed('an accept needs ["e", <5610 id>, "", "open"]')
  const viewer = tagValue(event, 'p')
  if (!isHex64(viewer)) return unparsed('p needs to name the viewer')
  const status = tagValue(event, 'status')
  if (status !== 'accepted' && status !== 'rejected')
    return unparsed(`status "${status ?? ''}" is neither accepted nor rejected`)
  const maxReceive = parseAmount(tagValue(event, 'max_receive'))
  if (maxReceive === undefined && status === 'accepted')
    return unparsed('max_receive is not an amount')
  const scale = tagValue(event, 'asset_scale') ?? '0'
  if (!/^\d{1,2}$/.test(scale)) return unparsed(`asset_scale "${scale}" is not 0 to 99`)
  const preview = tagValue(event, 'free_preview') ?? '0'
  if (!/^\d{1,4}$/.test(preview)) return unparsed(`free_preview "${preview}" is not seconds`)
  return parsed({
    session,
    streamId: tagValue(event, 'stream_id') ?? '',
    viewer,
    address: tagValue(event, 'a'),
    status,
    asset: tagValue(event, 'asset_code') ?? '',
    scale: Number(scale),
    maxReceive: maxReceive ?? 0n,
    freePreviewSeconds: Number(preview),
    rails: railOffers(event),
    sharedSecret: tagValue(event, 'shared_secret'),
    ilpAddress: tagValue(event, 'ilp_address'),
    message: event.content,
  })
}

const optional = (name: string, value: string | undefined): string[][] =>
  value === undefined ? [] : [[name, value]]

/** `["rail", id, finality, terms...]`. */
export const railTag = ({ id, finality, terms }: RailOffer): string[] => [
  'rail',
  id,
  finality,
  ...terms,
]

/** The `rail` tags of a 5611 or 5614. */
export const railOffers = (event: Pick<NostrEvent, 'tags'>): RailOffer[] =>
  tagsNamed(event, 'rail').map(([, id = '', finality = '', ...terms]) => ({ id, finality, terms }))
