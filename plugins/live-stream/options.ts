import { z } from 'zod'
import { livepeerOptions } from './livepeer/options.ts'
import { localOptions } from './local/options.ts'

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'needs 64 lowercase hex')

/** The `liveStream { }` block of strfry.conf. */
export const liveStreamOptions = z.object({
  /** The backend that makes media streams. */
  media: z.enum(['local', 'livepeer']).default('local'),
  /** Who gets a media stream for an announcement: anyone, or the listed pubkeys. */
  hosts: z.enum(['any', 'listed']).default('any'),
  /** Pubkeys (hex) for hosts = "listed". */
  listed: z.array(hex64).default([]),
  maxStreamsPerHost: z.int().min(1).default(10),
  /** An older announcement than this starts nothing (imports, replays). */
  maxAnnouncementAgeSeconds: z.int().min(1).default(3600),
  /** How long the host's own client has to say `live` with our URL before the companion does. */
  companionWaitMs: z.int().min(0).default(1000),
  /** How long a stream may stand without media before it is ended. */
  ghostSeconds: z.int().min(1).default(60),
  hostGrantDays: z.int().min(1).default(30),
  local: localOptions.prefault({}),
  livepeer: livepeerOptions.prefault({}),
})
export type LiveStreamOptions = z.output<typeof liveStreamOptions>
