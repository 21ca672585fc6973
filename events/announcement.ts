import {
  addressOf,
  isHex64,
  type NostrEvent,
  type Parsed,
  parsed,
  tagsNamed,
  tagValue,
  unparsed,
} from './event.ts'
import { type Price, parsePrice } from './money.ts'

export const announcedStatuses = ['planned', 'live', 'ended'] as const
export type AnnouncedStatus = (typeof announcedStatuses)[number]

/** What a 30311 says (NIP-53), as far as Sluice acts on it. Times in unix seconds. */
export interface Announcement {
  readonly address: string
  readonly host: string
  readonly d: string
  readonly title: string
  readonly summary: string
  readonly image: string
  readonly hashtags: readonly string[]
  readonly status?: AnnouncedStatus
  readonly starts?: number
  readonly ends?: number
  readonly streaming: readonly string[]
  readonly recording?: string
  readonly price?: Price
  readonly freePreviewSeconds: number
  readonly chat: 'open' | 'grant'
  /** The chat message that the host pins. */
  readonly pinned?: string
  /** The host, where its own agent is paid; absent where the relay is. */
  readonly payee?: string
}

const MAX_PARTICIPANTS = 1000
const MAX_URL = 2048
const MAX_PREVIEW_SECONDS = 3600
const statuses: readonly string[] = announcedStatuses
const COUNT_TAGS = ['current_participants', 'total_participants']
const hostileScheme = /^\s*(javascript|data|file|blob):/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const spaceOrControl = /[\s\u0000-\u001f\u007f]/

/**
 * Reads a 30311; refuses only what no real client sends (docs/events.md, 30311).
 * Source: NIP-53. Example: `parseAnnouncement(event)` gives `{ ok: true, value: { status: 'live', ... } }`.
 */
export function parseAnnouncement(event: NostrEvent): Parsed<Announcement> {
  const ds = tagsNamed(event, 'd')
  const d = ds[0]?.[1]
  if (ds.length !== 1 || !d) return unparsed('a live stream needs exactly one non-empty d tag')

  const statusTags = tagsNamed(event, 'status')
  const status = statusTags[0]?.[1]
  if (statusTags.length > 1) return unparsed('a live stream has at most one status tag')
  if (statusTags.length === 1 && (status === undefined || !statuses.includes(status)))
    return unparsed(`status "${status ?? ''}" is none of planned, live, ended`)

  for (const name of ['starts', 'ends'])
    for (const tag of tagsNamed(event, name))
      if (!/^\d{1,11}$/.test(tag[1] ?? ''))
        return unparsed(`${name} "${tag[1] ?? ''}" is not a unix time in seconds`)
  for (const name of COUNT_TAGS)
    for (const tag of tagsNamed(event, name))
      if (!/^\d{1,10}$/.test(tag[1] ?? ''))
        return unparsed(`${name} "${tag[1] ?? ''}" is not a count`)

  if (tagsNamed(event, 'p').length > MAX_PARTICIPANTS)
    return unparsed(`a live stream lists at most ${MAX_PARTICIPANTS} participants`)
  for (const name of ['p', 'pinned', 'goal'])
    for (const tag of tagsNamed(event, name))
      if (!isHex64(tag[1])) return unparsed(`${name} "${tag[1] ?? ''}" is not 64 lowercase hex`)

  for (const name of ['streaming', 'recording'])
    for (const tag of tagsNamed(event, name)) {
      const problem = urlProblem(tag[1] ?? '')
      if (problem) return unparsed(`${name} ${problem}`)
    }

  const priceTags = tagsNamed(event, 'price')
  if (priceTags.length > 1) return unparsed('a live stream has at most one price tag')
  const price = priceTags[0] ? parsePrice(priceTags[0]) : undefined
  if (price && !price.ok) return price

  const preview = tagValue(event, 'free_preview')
  if (
    preview !== undefined &&
    !(/^\d{1,4}$/.test(preview) && Number(preview) <= MAX_PREVIEW_SECONDS)
  )
    return unparsed(`free_preview "${preview}" is not 0 to ${MAX_PREVIEW_SECONDS} seconds`)

  const payee = tagValue(event, 'payee')
  if (payee !== undefined && payee !== event.pubkey)
    return unparsed('payee names the host itself, or is left out where the relay is paid')

  const chat = tagValue(event, 'chat')
  if (chat !== undefined && chat !== 'open' && chat !== 'grant')
    return unparsed(`chat "${chat}" is neither open nor grant`)

  return parsed({
    address: addressOf(event) ?? '',
    host: event.pubkey,
    d,
    title: tagValue(event, 'title') ?? '',
    summary: tagValue(event, 'summary') ?? '',
    image: tagValue(event, 'image') ?? '',
    hashtags: tagsNamed(event, 't').map(tag => tag[1] ?? ''),
    status: status as AnnouncedStatus | undefined,
    starts: seconds(tagValue(event, 'starts')),
    ends: seconds(tagValue(event, 'ends')),
    streaming: tagsNamed(event, 'streaming').map(tag => tag[1] ?? ''),
    recording: tagValue(event, 'recording'),
    price: price?.value,
    freePreviewSeconds: Number(preview ?? 0),
    chat: chat ?? 'open',
    pinned: tagValue(event, 'pinned'),
    payee,
  })
}

/** True when watching costs something. */
export const isPaid = (stream: { price?: Price }): stream is { price: Price } =>
  stream.price !== undefined && stream.price.amount > 0n

const seconds = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text)

function urlProblem(url: string): string | undefined {
  if (url.length > MAX_URL) return `is longer than ${MAX_URL} characters`
  if (spaceOrControl.test(url)) return 'holds white space or control characters'
  if (hostileScheme.test(url)) return 'has a scheme that no player opens'
  return undefined
}
