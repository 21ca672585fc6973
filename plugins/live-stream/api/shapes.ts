import { z } from 'zod'
import { targetShape } from '../settings.ts'

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const seconds = z.int().min(0)
const count = z.int().min(0)

/** A signed event, whatever it says: who takes it in looks at it as at any event. */
export const eventShape = z
  .object({
    id: hex64,
    pubkey: hex64,
    created_at: z.int(),
    kind: z.int(),
    tags: z.array(z.array(z.string())),
    content: z.string(),
    sig: z.string().regex(/^[0-9a-f]{128}$/),
  })
  .describe('A Nostr event (NIP-01), signed by the host')

export const streamRequest = z.strictObject({
  event: eventShape.describe("The stream's announcement, kind 30311 (NIP-53), signed by the host"),
})

const viewersShape = z.strictObject({
  concurrent: count.describe('Gateway sessions that fetched media in the last 30 s'),
  peak: count.describe('The most at a time'),
  total: count.describe('Different ones since the stream was first announced'),
})

export const targetAnswer = z.strictObject({
  id: z.string(),
  name: z.string(),
  server: z.string().describe('Where it is sent to, without the key'),
  state: z.enum(['waiting', 'connected', 'failed', 'disconnected']),
  problem: z.string().optional(),
  at: seconds.optional().describe('When the state was last heard of'),
})

const errorShape = z.strictObject({
  at: seconds,
  lastAt: seconds.describe('When the same happened last'),
  times: count,
  source: z.enum(['media', 'provider', 'health', 'restream', 'relay']),
  cause: z.string(),
})

export const streamShape = z.strictObject({
  id: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .describe('The public id'),
  address: z.string().describe('30311:<host>:<d>'),
  title: z.string(),
  phase: z.enum([
    'created',
    'planned',
    'live',
    'reconnecting',
    'ended',
    'recorded',
    'archived',
    'deleted',
  ]),
  starts: seconds.optional().describe('When its host says that it begins'),
  liveSince: seconds.optional(),
  liveSeconds: count.describe('How long media has flowed in all'),
  endedAt: seconds.optional(),
  playbackUrl: z.string(),
  recording: z.string().optional(),
  viewers: viewersShape,
})

export const statusShape = streamShape.extend({
  ingest: z
    .strictObject({
      rtmp: z.strictObject({ server: z.string(), key: z.string() }),
      whip: z.string().optional(),
      srt: z.string().optional(),
    })
    .optional()
    .describe('Where to send media; absent until there is a place, and for others than the host'),
  problem: z.string().optional().describe('What is wrong with it now, in a sentence'),
  restream: z.array(targetAnswer),
  errors: z.array(errorShape).describe('What went wrong, the newest first'),
})
export type StreamStatus = z.output<typeof statusShape>

export const listShape = z.strictObject({ streams: z.array(streamShape) })
export const targetsShape = z.strictObject({ targets: z.array(targetAnswer) })
export const targetRequest = z.strictObject(targetShape.shape)

export const metricsQuery = z.object({
  minutes: z.coerce.number().int().min(1).max(43_200).default(60).describe('How far back'),
})
export const metricsShape = z.strictObject({
  viewers: viewersShape,
  provider: z
    .strictObject({ viewers: count })
    .optional()
    .describe('Who watches as the media provider counts, where it does'),
  minutes: z.array(
    z.strictObject({
      at: seconds.describe('When the minute began'),
      viewers: count.describe('The most at a time'),
      joined: count.describe('Of them, those who had never been there'),
      bytes: count.describe('Media served to them'),
    }),
  ),
})

const unixMs = z.int().min(0).describe('Unix ms')
const recordingShape = z.strictObject({
  name: z.string(),
  startedAt: unixMs,
  endedAt: unixMs,
  seconds: z.number(),
  missingSeconds: z.number().describe('What is missing in between'),
  bytes: count,
  hostOnly: z.boolean().describe('The stream cost something while it was made'),
  expiresAt: unixMs.optional().describe('Unix ms at which it is deleted; absent: it is kept'),
  url: z.string().describe('HLS; whoever has an address has the file, until urlsExpireAt'),
  mp4: z.array(z.string()).describe('One, or more where the encoder changed on the way'),
})
export const recordingsShape = z.strictObject({
  stream: z.string().describe('30311:<host>:<d>'),
  recordings: z.array(recordingShape),
  urlsExpireAt: seconds,
})
export const allRecordingsShape = z.strictObject({
  recordings: z.array(recordingShape.extend({ stream: z.string(), title: z.string() })),
  urlsExpireAt: seconds,
})
export const deletedShape = z.strictObject({ deleted: z.string() })
