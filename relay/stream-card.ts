import * as nip19 from 'nostr-tools/nip19'
import { kinds, type NostrEvent, parseAnnouncement, tagsNamed, tagValue } from '../events/index.ts'
import type { PublicEvents } from './public-events.ts'

const TITLE_LENGTH = 120
const SUMMARY_LENGTH = 300
const URL_LENGTH = 2048

/** How a link to a stream looks where it is pasted. All of it but `url` is what a host wrote: escape it. */
export interface StreamCard {
  readonly title: string
  readonly description: string
  /** The stream's page, absolute. */
  readonly url: string
  /** http(s), where there is one. */
  readonly image?: string
}

/**
 * The card of the stream that an naddr names, from what `ip` may read here without authenticating; undefined for what is
 * not here and for what may not be read, which look the same.
 *
 * @example
 * await streamCard('naddr1...', { read, self, origin: 'https://relay.example', ip: '192.0.2.1' })
 */
export async function streamCard(
  naddr: string,
  from: { read: PublicEvents; self: string; origin: string; ip: string },
): Promise<StreamCard | undefined> {
  const named = decoded(naddr)
  if (!named) return undefined
  const { read, self, origin, ip } = from
  const { pubkey, identifier } = named
  const address = `${kinds.LiveStream}:${pubkey}:${identifier}`
  const [own, companion] = await Promise.all([
    read([{ kinds: [kinds.LiveStream], authors: [pubkey], '#d': [identifier], limit: 1 }], ip),
    // Where the host gave no picture, the relay's companion may have one.
    read([{ kinds: [kinds.LiveStream], authors: [self], '#a': [address], limit: 1 }], ip),
  ])
  const said = own[0] && parseAnnouncement(own[0])
  if (!own[0] || !said?.ok) return undefined
  const { title, summary } = said.value
  const [profile] = await read(
    [{ kinds: [kinds.Profile], authors: [hostOf(own[0], self)], limit: 1 }],
    ip,
  )
  const name = profile && line(nameOf(profile), TITLE_LENGTH)
  return {
    title: line(title, TITLE_LENGTH) || 'A live stream',
    description: [name, line(summary, SUMMARY_LENGTH)].filter(Boolean).join(': '),
    url: `${origin}/watch/${naddr}`,
    image: pictureOf(own[0]) ?? (companion[0] && pictureOf(companion[0])),
  }
}

function decoded(naddr: string): { pubkey: string; identifier: string } | undefined {
  try {
    const { type, data } = nip19.decode(naddr)
    return type === 'naddr' && data.kind === kinds.LiveStream ? data : undefined
  } catch {
    return undefined
  }
}

/** A companion speaks for the host that its `p` names. */
function hostOf(event: NostrEvent, self: string): string {
  const host = tagsNamed(event, 'p').find(tag => tag[3] === 'Host')?.[1]
  return event.pubkey === self ? (host ?? self) : event.pubkey
}

function nameOf({ content }: NostrEvent): string {
  try {
    const { display_name, name } = JSON.parse(content) as Record<string, unknown>
    return [display_name, name].find(text => typeof text === 'string' && text.trim()) as string
  } catch {
    return ''
  }
}

function pictureOf(event: NostrEvent): string | undefined {
  const url = tagValue(event, 'image') ?? ''
  const isOne = url.length <= URL_LENGTH && /^https?:\/\//i.test(url) && URL.canParse(url)
  return isOne ? new URL(url).href : undefined
}

/** One line of at most so many characters. What turns the direction of writing could disguise what follows. */
function line(text = '', most: number): string {
  const flat = text
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
  const points = [...flat]
  return points.length > most ? `${points.slice(0, most - 1).join('')}…` : flat
}

/** A page's HTML with the card in its head: Open Graph, Twitter's names, title and description. `site`: the relay's name. */
export function withCard(html: string, card: StreamCard, site: string): string {
  const { title, description, url, image } = card
  const of = (attribute: 'property' | 'name', key: string, value: string | undefined): string =>
    value ? `<meta ${attribute}="${key}" content="${escaped(value)}">` : ''
  const tags = [
    of('property', 'og:type', 'video.other'),
    of('property', 'og:site_name', site),
    of('property', 'og:url', url),
    of('property', 'og:title', title),
    of('property', 'og:description', description),
    of('property', 'og:image', image),
    of('name', 'twitter:card', image ? 'summary_large_image' : 'summary'),
    of('name', 'twitter:title', title),
    of('name', 'twitter:description', description),
    of('name', 'twitter:image', image),
    of('name', 'description', description),
  ].join('')
  // Functions, because $ means something in a replacement.
  return html
    .replace(/<meta name="description"[^>]*>\s*/, found => (description ? '' : found))
    .replace(/<title>[^<]*<\/title>/, () => `<title>${escaped(`${title} · ${site}`)}</title>`)
    .replace('</head>', () => `${tags}</head>`)
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For an attribute in quotes, or for text. */
const escaped = (text: string): string => text.replace(/[&<>"']/g, found => entities[found] ?? '')
