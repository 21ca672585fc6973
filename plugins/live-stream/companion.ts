import {
  type EventTemplate,
  isPaid,
  kinds,
  type NostrEvent,
  tagsNamed,
} from '../../events/index.ts'
import type { LiveStream } from './stream.ts'

/** Tags of the host's announcement that its companion repeats. */
const COPIED = ['title', 'summary', 'image', 't', 'price', 'free_preview', 'chat', 'starts']

type CompanionStatus = 'live' | 'ended' | 'deleted'

/** How many watch at `at` (unix s), and have watched in all. */
export interface Watched {
  readonly at: number
  readonly concurrent: number
  readonly total: number
}

/** Counts are told once a minute at most. */
const COUNT_SECONDS = 55
/** NIP-53: clients may take what was not updated for an hour for over. */
const REFRESH_SECONDS = 1800

/**
 * Which companion the stream needs: `live` while media flows and the host has not said so with our URL;
 * `ended` when it is over and clients would still believe it live; `deleted` once the host speaks for itself.
 * Undefined: leave it as it is.
 */
export function neededCompanion(
  stream: LiveStream,
  watched?: Watched,
): CompanionStatus | undefined {
  const now = stream.companion?.status
  const exists = now === 'live' || now === 'ended'
  const { status, ours } = stream.announcement
  if (stream.deletedAt !== undefined) return exists ? 'deleted' : undefined
  if (stream.status === 'live') {
    if (status === 'live' && ours) return exists ? 'deleted' : undefined
    const shown = stream.companion?.image === ownImage(stream) && !isStale(stream, watched)
    return now === 'live' && shown ? undefined : 'live'
  }
  if (stream.status === 'ended') {
    // Only we can say where the recording is: a host cannot know.
    const recording = publicRecording(stream)
    if (recording !== undefined)
      return stream.companion?.recording === recording && now === 'ended' ? undefined : 'ended'
    if (status === 'ended') return exists ? 'deleted' : undefined
    return now === 'ended' && stream.companion?.recording === undefined ? undefined : 'ended'
  }
  if (stream.status === 'planned' && exists) return 'deleted'
  return undefined
}

/** Does a live companion want saying again: who watches has changed, or clients may soon take it for over. */
function isStale({ companion }: LiveStream, watched: Watched | undefined): boolean {
  if (!companion || !watched) return false
  const age = watched.at - companion.createdAt
  if (age >= REFRESH_SECONDS) return true
  const { concurrent, total } = companion.viewers ?? { concurrent: 0, total: 0 }
  return age >= COUNT_SECONDS && (concurrent !== watched.concurrent || total !== watched.total)
}

/** The address of a free stream's recording. That of a paid one is not for everybody. */
export const publicRecording = (stream: LiveStream): string | undefined =>
  isPaid(stream) || stream.recordingHostOnly || stream.deletedAt !== undefined
    ? undefined
    : stream.recording

/** Our picture of it, for a host that gave none. */
export function ownImage(stream: LiveStream): string | undefined {
  if (stream.image !== '') return undefined
  if (stream.status !== 'ended') return stream.picture
  return publicRecording(stream) && stream.recordingImage
}

/** The companion 30311, or the kind 5 that takes it back (docs/events.md, 30311). */
export function companionTemplate(
  stream: LiveStream,
  announcement: NostrEvent | undefined,
  status: CompanionStatus,
  self: string,
  serviceUrl: string,
  createdAt: number,
  watched?: Watched,
): EventTemplate {
  const address = `${kinds.LiveStream}:${self}:${stream.id}`
  if (status === 'deleted') {
    return {
      kind: kinds.Deletion,
      created_at: createdAt,
      tags: [
        ['a', address],
        ['k', String(kinds.LiveStream)],
      ],
      content: 'the host announces this stream itself',
    }
  }
  const copied = announcement ? COPIED.flatMap(name => tagsNamed(announcement, name)) : []
  const ends = stream.endedAt === undefined ? [] : [['ends', seconds(stream.endedAt)]]
  const url = status === 'ended' ? publicRecording(stream) : undefined
  const recording = url === undefined ? [] : [['recording', url]]
  const current = status === 'live' && watched
  const counts = [
    ...(current ? [['current_participants', String(current.concurrent)]] : []),
    ...(watched ? [['total_participants', String(watched.total)]] : []),
  ]
  const image = ownImage(stream)
  const since = stream.liveSince === undefined ? [] : [['starts', seconds(stream.liveSince)]]
  return {
    kind: kinds.LiveStream,
    created_at: createdAt,
    tags: [
      ['d', stream.id],
      ['a', stream.address],
      ['p', stream.host, '', 'Host'],
      ...copied.filter(tag =>
        tag[0] === 'starts' ? since.length === 0 : tag[0] !== 'image' || !image,
      ),
      ...(image === undefined ? [] : [['image', image]]),
      ['status', status],
      ...since,
      ...ends,
      ['streaming', publicUrl(serviceUrl, stream.id)],
      ...recording,
      ...counts,
      ['service', serviceUrl],
    ],
    content: '',
  }
}

/** Where a free stream plays, and a paid one gives its preview or its price. */
export const publicUrl = (serviceUrl: string, id: string): string =>
  `${serviceUrl}/p/${id}/master.m3u8`

const seconds = (ms: number): string => String(Math.floor(ms / 1000))
