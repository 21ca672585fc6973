import { isAddressable, isReplaceable } from './kinds.ts'

/** A signed event as in NIP-01. */
export interface NostrEvent {
  readonly id: string
  readonly pubkey: string
  readonly created_at: number
  readonly kind: number
  readonly tags: readonly (readonly string[])[]
  readonly content: string
  readonly sig: string
}

/** What a signer completes with pubkey, id and sig. */
export interface EventTemplate {
  readonly kind: number
  readonly created_at: number
  readonly tags: readonly (readonly string[])[]
  readonly content: string
}

/** A NIP-01 filter, with NIP-50 search. Tag filters are `#` and one letter. */
export interface Filter {
  readonly ids?: readonly string[]
  readonly authors?: readonly string[]
  readonly kinds?: readonly number[]
  readonly since?: number
  readonly until?: number
  readonly limit?: number
  readonly search?: string
  readonly [tag: `#${string}`]: readonly string[] | undefined
}

/** What reading an event's tags gave: its value, or the sentence to refuse it with (no prefix). */
export type Parsed<T> = { ok: true; value: T } | { ok: false; msg: string }

export const parsed = <T>(value: T): Parsed<T> => ({ ok: true, value })
export const unparsed = (msg: string): { ok: false; msg: string } => ({ ok: false, msg })

type Tagged = Pick<NostrEvent, 'tags'>

/** The value of the first tag of that name, if any. Example: `tagValue(event, 'd')`. */
export function tagValue(event: Tagged, name: string): string | undefined {
  return event.tags.find(tag => tag[0] === name)?.[1]
}

/** Every tag of that name, in order. */
export function tagsNamed(event: Tagged, name: string): (readonly string[])[] {
  return event.tags.filter(tag => tag[0] === name)
}

/** The event id in the `e` tag with that marker (`["e", id, relay, marker]`). */
export function markedEvent(event: Tagged, marker: string): string | undefined {
  return event.tags.find(tag => tag[0] === 'e' && tag[3] === marker)?.[1]
}

/** 32 bytes in lowercase hex. Whatever it is asked about: a pattern alone would take `["ab..."]` for its text. */
export const isHex64 = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

/** `kind:pubkey:d`, which names a replaceable (empty d) or addressable event (NIP-01). */
export function addressOf(event: Pick<NostrEvent, 'kind' | 'pubkey' | 'tags'>): string | undefined {
  if (isReplaceable(event.kind)) return `${event.kind}:${event.pubkey}:`
  if (isAddressable(event.kind))
    return `${event.kind}:${event.pubkey}:${tagValue(event, 'd') ?? ''}`
  return undefined
}

export interface Address {
  readonly kind: number
  readonly pubkey: string
  readonly d: string
}

/** Reads `kind:pubkey:d`; d may hold colons. Example: `parseAddress('30311:' + host + ':my:show')`. */
export function parseAddress(address: string): Address | undefined {
  const match = /^(0|[1-9]\d{0,4}):([0-9a-f]{64}):([\s\S]*)$/.exec(address)
  if (!match) return undefined
  return { kind: Number(match[1]), pubkey: match[2] ?? '', d: match[3] ?? '' }
}
