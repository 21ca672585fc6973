import { createHash } from 'node:crypto'
import type { Announcement, NostrEvent } from '../../events/index.ts'
import type { StreamPhase } from '../plugin.ts'
import type { LiveStream } from './stream.ts'

/** The stream's public id: 32 hex from its address, so that a retried job names the same stream. */
export const publicId = (address: string): string =>
  createHash('sha256').update(address).digest('hex').slice(0, 32)

/**
 * The record after its host announced: what the host says replaces what was said before, the media's own
 * state stays. A host that announces an ended stream anew starts it anew.
 */
export function announced(
  before: LiveStream | undefined,
  event: NostrEvent,
  said: Announcement,
  ours: boolean,
): LiveStream {
  const revived = before?.status === 'ended' && said.status !== 'ended'
  const {
    closedAt: _,
    deletedAt: __,
    archivedAt: ___,
    ...kept
  } = before ?? {
    address: said.address,
    host: said.host,
    liveMs: 0,
  }
  return {
    ...(said.status === 'ended' && before ? before : kept),
    id: publicId(said.address),
    title: said.title,
    summary: said.summary,
    image: said.image,
    hashtags: [...said.hashtags],
    price: said.price,
    freePreviewSeconds: said.freePreviewSeconds,
    chat: said.chat,
    starts: said.starts,
    status: before && !revived ? before.status : 'planned',
    endedAt: revived ? undefined : before?.endedAt,
    announcement: { id: event.id, createdAt: event.created_at, status: said.status, ours },
  }
}

/** Media flows from `at` (unix ms): the clock runs. Twice is the same as once. */
export function wentLive(stream: LiveStream, at: number): LiveStream {
  if (stream.liveSince !== undefined) return stream
  const { endedAt: _, ...rest } = recorded(stream, {})
  return { ...rest, status: 'live', liveSince: at, seenAt: at }
}

/** Media was seen up to `at` (unix ms). */
export const sawMedia = (stream: LiveStream, at: number): LiveStream => ({
  ...stream,
  seenAt: Math.max(stream.seenAt ?? 0, at),
})

/** Media stopped at `at` (unix ms): the clock stands, and nothing is due until it runs again. */
export function stopped(stream: LiveStream, at: number): LiveStream {
  if (stream.liveSince === undefined) return stream
  const { liveSince, ...rest } = stream
  return {
    ...rest,
    status: 'reconnecting',
    liveMs: stream.liveMs + Math.max(0, at - liveSince),
  }
}

/** Over at `at` (unix ms). The clock counts only media that was seen. */
export function ended(stream: LiveStream, at: number): LiveStream {
  if (stream.status === 'ended') return stream
  return { ...stopped(stream, stream.seenAt ?? at), status: 'ended', endedAt: at }
}

/** What was live can be watched again at `url`, or without one no more. */
export function recorded(
  stream: LiveStream,
  { url, image, hostOnly }: { url?: string; image?: string; hostOnly?: boolean },
): LiveStream {
  const { recording: _, recordingImage: __, recordingHostOnly: ___, ...rest } = stream
  if (url === undefined) return rest
  return { ...rest, recording: url, recordingImage: image, recordingHostOnly: hostOnly }
}

/** Its host said over HTTP that it is over, or that it is not (again). What the host announces later counts more. */
export function closedByHost(stream: LiveStream, at: number | undefined): LiveStream {
  const { closedAt: _, ...open } = stream
  if (at !== undefined) return { ...stream, closedAt: stream.closedAt ?? at }
  return open.status === 'ended' ? { ...open, status: 'planned', endedAt: undefined } : open
}

/** Its host took the announcement back (kind 5): over, and nothing of it is shown any more. */
export const deletedByHost = (stream: LiveStream, at: number): LiveStream => ({
  ...stream,
  announcement: { ...stream.announcement, status: 'ended' },
  deletedAt: stream.deletedAt ?? at,
})

/** Put away: its key opens nothing until it is announced anew. */
export const archived = (stream: LiveStream, at: number): LiveStream =>
  stream.archivedAt === undefined ? { ...stream, archivedAt: at } : stream

/** May a publisher with this stream's key push media now? Not once the host itself has ended it. */
export const acceptsMedia = (stream: LiveStream): boolean =>
  stream.announcement.status !== 'ended' &&
  (stream.closedAt ?? stream.deletedAt ?? stream.archivedAt) === undefined

/**
 * Where a stream is in its life: `created` until its host has the ingest details, `planned` until media comes, `live`,
 * `reconnecting` while a publisher may come back, `ended`, `recorded` once the recording is ready, `archived` when only the
 * recording and the key are left, `deleted` by its host.
 */
export function phaseOf(stream: LiveStream): StreamPhase {
  if (stream.deletedAt !== undefined) return 'deleted'
  if (stream.archivedAt !== undefined) return 'archived'
  if (stream.status === 'planned') return stream.keyHash || stream.newKey ? 'planned' : 'created'
  if (stream.status === 'ended' && stream.recording !== undefined) return 'recorded'
  return stream.status
}
