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
  /** A planned stream to which no media came so long after its `starts` (or its announcement) is ended. */
  plannedHours: z.number().min(0).default(24),
  /** How long is kept what; a job looks once an hour. */
  retention: z
    .object({
      /** An ended stream can be pushed to again until it is archived; then its recording and its key stay. */
      endedHours: z.number().min(0).default(24),
      errorDays: z.number().min(0).default(7),
    })
    .prefault({}),
  /** Sending streams on to other places, as their hosts say. */
  restream: z
    .object({
      maxTargets: z.int().min(0).default(5),
      /** Also to addresses inside this machine and its network: hosts could then knock at doors there. */
      innerTargets: z.boolean().default(false),
    })
    .prefault({}),
  local: localOptions.prefault({}),
  livepeer: livepeerOptions.prefault({}),
})
export type LiveStreamOptions = z.output<typeof liveStreamOptions>
