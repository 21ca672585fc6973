import { z } from 'zod'
import type { Price } from '../../events/index.ts'
import { amount, collection } from '../collection.ts'

/**
 * What the relay knows of a stream that it serves, keyed by its address. The stream's clock (`liveMs`) counts the time
 * it was live: sessions are billed by it, so a stream that stops pauses all its sessions at once.
 */
const shape = z.object({
  address: z.string(),
  host: z.string(),
  /** Public id: names the stream in paths and at the backend. */
  id: z.string(),
  title: z.string(),
  summary: z.string(),
  image: z.string(),
  hashtags: z.array(z.string()),
  price: z
    .object({ amount, unit: z.enum(['second', 'minute', 'hour']), asset: z.string() })
    .optional(),
  freePreviewSeconds: z.number(),
  chat: z.enum(['open', 'grant']),
  starts: z.number().optional(),
  /** The media's own state, not what the host announced. */
  status: z.enum(['planned', 'live', 'reconnecting', 'ended']),
  /** Unix ms at which the clock began to run; absent while it stands. */
  liveSince: z.number().optional(),
  /** Live time up to `liveSince`, ms. */
  liveMs: z.number(),
  /** Unix ms up to which media was seen; a clock found running after a crash stopped here. */
  seenAt: z.number().optional(),
  /** The host's newest 30311; `ours` when it points at our own playback URL. */
  announcement: z.object({
    id: z.string(),
    createdAt: z.number(),
    status: z.enum(['planned', 'live', 'ended']).optional(),
    ours: z.boolean(),
  }),
  /** SHA-256 of the stream key; the key itself stands only in the host's grant, encrypted. */
  keyHash: z.string().optional(),
  /** Its host wants another key: the next `provision` makes one. */
  newKey: z.boolean().optional(),
  /** The id of the host's newest 5650. */
  hostGrant: z.string().optional(),
  /** A picture of what is live. */
  picture: z.string().optional(),
  /** Where the newest recording is. */
  recording: z.string().optional(),
  /** A picture of it. */
  recordingImage: z.string().optional(),
  /** It is for the host alone. */
  recordingHostOnly: z.boolean().optional(),
  /** Our companion 30311 as last published; `createdAt` (s) must grow with each version. */
  companion: z
    .object({
      status: z.enum(['live', 'ended', 'deleted']),
      createdAt: z.number(),
      recording: z.string().optional(),
      /** How many watched, and had watched, as it says. */
      viewers: z.object({ concurrent: z.number(), total: z.number() }).optional(),
      image: z.string().optional(),
    })
    .optional(),
  /** What is wrong with it now, as its host's grant says. */
  problem: z.string().optional(),
  /** Unix ms; and when its host stopped it over HTTP, deleted its announcement, and when it was put away for good. */
  endedAt: z.number().optional(),
  closedAt: z.number().optional(),
  deletedAt: z.number().optional(),
  archivedAt: z.number().optional(),
})

export type LiveStream = z.output<typeof shape>
export type PaidStream = LiveStream & { price: Price }

export const streams = collection('stream', shape)
/** Public id -> address. */
export const streamIds = collection('stream-id', z.object({ address: z.string() }))
/** SHA-256 of a stream key -> address. */
export const streamKeys = collection('stream-key', z.object({ address: z.string() }))

/** The stream's clock at `now` (unix ms): how long it has been live, ms. It never runs while media stands. */
export const streamClock = (stream: LiveStream, now: number): number =>
  stream.liveMs + (stream.liveSince === undefined ? 0 : Math.max(0, now - stream.liveSince))
