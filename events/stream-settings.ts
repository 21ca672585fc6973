import {
  type EventTemplate,
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

/** What a 5652 is about; its content is for the relay alone (NIP-44). */
export interface StreamSettings {
  readonly host: string
  /** The relay that is to act on it. */
  readonly relay: string
  /** A stream of the host's own. */
  readonly address: string
  readonly createdAt: number
  readonly content: string
}

/** What stands in the content of a 5652: all of the settings, each time. */
export interface StreamSettingsContent {
  /** Where the stream is sent on to; absent or empty: nowhere. */
  readonly restream?: readonly { readonly name?: string; readonly url: string }[]
}

/** Reads a 5652 (docs/events.md, 5652). */
export function parseStreamSettings(event: NostrEvent): Parsed<StreamSettings> {
  const ps = tagsNamed(event, 'p')
  const relay = ps[0]?.[1]
  if (ps.length !== 1 || !isHex64(relay)) return unparsed('p needs to name the relay')
  const address = tagValue(event, 'a') ?? ''
  const stream = parseAddress(address)
  if (stream?.kind !== kinds.LiveStream)
    return unparsed('a needs to name a stream, 30311:<host>:<d>')
  if (stream.pubkey !== event.pubkey) return unparsed('only its host sets how a stream is made')
  const { pubkey: host, created_at: createdAt, content } = event
  return parsed({ host, relay, address, createdAt, content })
}

/** The template of a 5652; `content` is the NIP-44 text of a StreamSettingsContent, from the host to the relay. */
export const streamSettingsTemplate = (settings: {
  relay: string
  address: string
  createdAt: number
  content: string
}): EventTemplate => ({
  kind: kinds.StreamSettings,
  created_at: settings.createdAt,
  tags: [['p', settings.relay], ['a', settings.address], ['-']],
  content: settings.content,
})
