import {
  type AnnouncedStatus,
  addressOf,
  type EventTemplate,
  type HostGrant,
  type HostNotice,
  kinds,
  type NostrEvent,
  type Price,
  type StreamSettingsContent,
  streamSettingsTemplate,
  tagValue,
} from '../events/index.ts'
import { MediaProblem } from './errors.ts'
import type { Relay } from './relay.ts'

/** What a host announces. Times in unix seconds; `d` names the stream among the host's own. */
export interface Show {
  readonly d: string
  readonly status: AnnouncedStatus
  readonly title: string
  readonly summary?: string
  readonly image?: string
  readonly hashtags?: readonly string[]
  readonly price?: Price
  readonly freePreviewSeconds?: number
  readonly chat?: 'open' | 'grant'
  /** The host's own pubkey, where its agent (`hostAgent`) is to be paid in place of the relay. */
  readonly payee?: string
  readonly starts?: number
  readonly ends?: number
}

/** The 30311 that announces a show (NIP-53; price as in docs/events.md). */
export function announcementTemplate(show: Show, createdAt: number): EventTemplate {
  const { price, freePreviewSeconds, hashtags = [] } = show
  const optional: [string, string | number | undefined][] = [
    ['summary', show.summary],
    ['image', show.image],
    ['starts', show.starts],
    ['ends', show.ends],
    ['free_preview', freePreviewSeconds || undefined],
    ['chat', show.chat],
    ['payee', show.payee],
  ]
  return {
    kind: kinds.LiveStream,
    created_at: createdAt,
    tags: [
      ['d', show.d],
      ['title', show.title],
      ['status', show.status],
      ...optional.flatMap(([name, value]) => (value ? [[name, String(value)]] : [])),
      ...hashtags.map(tag => ['t', tag]),
      ...(price ? [['price', String(price.amount), price.unit, price.asset]] : []),
    ],
    content: '',
  }
}

/**
 * The streamer's side: announce, receive where to send media, end. `self` is the relay's pubkey (`relayInfo`).
 *
 * Example:
 * ```ts
 * const me = host(relay, self)
 * const address = await me.announce({ d: 'show', status: 'planned', title: 'My show' })
 * me.onIngest(address, ({ ingest }) => console.log(ingest.rtmp.server))
 * ```
 */
export function host(relay: Relay, self: string) {
  let lastCreatedAt = 0
  /** Versions of one announcement are told apart by their second. */
  const createdAt = () => {
    lastCreatedAt = Math.max(Math.floor(Date.now() / 1000), lastCreatedAt + 1)
    return lastCreatedAt
  }
  return {
    /** Announces or updates a show; gives its address. Rejects with `RelayRefused` and the relay's reason. */
    async announce(show: Show): Promise<string> {
      const event = await relay.send(announcementTemplate(show, createdAt()))
      return addressOf(event) ?? ''
    },

    /** Says that the show is over; its media stream ends with it. */
    async end(show: Show): Promise<void> {
      const template = announcementTemplate({ ...show, status: 'ended' }, createdAt())
      await relay.send({
        ...template,
        tags: [...template.tags, ['ends', String(template.created_at)]],
      })
    },

    /**
     * Says where a stream is sent on to (`rtmp://server/app/KEY`), so that only the relay can read it; all of it, each
     * time: an empty list ends it. Rejects with `RelayRefused` and the reason.
     */
    async restream(
      address: string,
      targets: NonNullable<StreamSettingsContent['restream']>,
    ): Promise<void> {
      const content = await relay.signer.encrypt(self, JSON.stringify({ restream: targets }))
      const settings = { relay: self, address, createdAt: createdAt(), content }
      await relay.send(streamSettingsTemplate(settings))
    },

    /**
     * Calls `onGrant` with the ingest details, now if they are there and whenever they change, or `onProblem` when
     * they cannot be read with this key, or cannot be had yet (`MediaProblem`). Gives the function that ends it.
     */
    async onIngest(
      address: string,
      onGrant: (grant: HostGrant) => void,
      onProblem: (error: unknown) => void = () => {},
    ): Promise<() => void> {
      const me = await relay.signer.pubkey()
      const filters = [
        { kinds: [kinds.AccessGrant], authors: [self], '#p': [me], '#a': [address], limit: 1 },
      ]
      let newest = 0
      return relay.subscribe(filters, {
        onEvent(event) {
          if (tagValue(event, 'role') !== 'host' || event.created_at < newest) return
          newest = event.created_at
          readHostGrant(relay, self, event).then(onGrant, onProblem)
        },
        onClosed: onProblem,
      })
    },
  }
}

export type Host = ReturnType<typeof host>

async function readHostGrant(relay: Relay, self: string, event: NostrEvent) {
  const text = await relay.signer.decrypt(self, event.content)
  const content = JSON.parse(text) as HostGrant | HostNotice
  if (!content.ingest) throw new MediaProblem(content.problem)
  return content
}
