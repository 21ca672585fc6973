import {
  isHex64,
  markedEvent,
  type NostrEvent,
  type Parsed,
  parsed,
  tagValue,
  unparsed,
} from './event.ts'

/** What a 5651 asks for: another quality in a session. */
export interface QualityRequest {
  readonly viewer: string
  /** The id of the session's 5610. */
  readonly session: string
  readonly quality: string
}

/** Reads a 5651 (docs/events.md, 5651). */
export function parseQualityRequest(event: NostrEvent): Parsed<QualityRequest> {
  const session = markedEvent(event, 'open') ?? tagValue(event, 'e')
  if (!isHex64(session)) return unparsed('e needs to name the session, the id of its 5610')
  const quality = tagValue(event, 'quality') ?? ''
  if (!/^(source|[1-9]\d{2,3}p|4k)$/.test(quality))
    return unparsed(`quality "${quality}" is none of source, 480p, 720p, 1080p, 4k`)
  return parsed({ viewer: event.pubkey, session, quality })
}
