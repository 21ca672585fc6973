import { z } from 'zod'

/** The `liveStream { local { } }` block of strfry.conf. */
export const localOptions = z.object({
  /** Where RTMP listens; absent: 1935, or any free port where that is taken. 0 takes any free port. */
  rtmpBind: z.string().default('127.0.0.1'),
  rtmpPort: z.int().min(0).max(65_535).optional(),
  /** What hosts are told instead of where it listens, for example rtmp://live.example.com/live. */
  publicRtmpUrl: z.string().default(''),
  /** What decodes and encodes: node-av (inside npm), the system's ffmpeg, or whichever works. */
  engine: z.enum(['auto', 'node-av', 'ffmpeg']).default('auto'),
  /** Transcode a 480p rendition beside the source. */
  transcode: z.boolean().default(true),
  /** Target length of a segment; keyframes of the source decide. */
  segmentSeconds: z.number().min(1).max(10).default(2),
  /** How far back a viewer may go, seconds. */
  windowSeconds: z.number().min(10).max(3600).default(60),
  /** Memory for the windows of all streams together, MB; shared out among them. Three segments each are always kept. */
  maxMemoryMb: z.int().min(64).max(65_536).default(2048),
  maxPublishers: z.int().min(1).default(50),
  /** A publisher that sends more for ten seconds is cut. */
  maxBitrateKbps: z.int().min(100).default(20_000),
  /** A broadcast ends after so long, and its publisher hears why; 0 for no limit. */
  maxMinutes: z.number().min(0).default(0),
  /** A publisher that sends nothing for so long is cut. */
  idleSeconds: z.number().min(2).default(10),
  /** Pictures of what is live, for announcements without an image: of all streams, of free ones, or none. */
  thumbnails: z.enum(['all', 'free', 'none']).default('all'),
  thumbnailSeconds: z.number().min(1).default(30),
  /** Record each broadcast, as it came in. */
  record: z.boolean().default(false),
  /** Where recordings lie; empty: in the folder `recordings` of `db`. */
  recordDir: z.string().default(''),
  /** How long a recording is kept; 0: until somebody deletes it. */
  recordDays: z.number().min(0).default(30),
  /** Room for all recordings together, MB; 0 for no limit. */
  recordQuotaMb: z.number().min(0).default(0),
  /** So much of that disk recordings leave to everything else, MB. */
  recordKeepFreeMb: z.number().min(0).default(1024),
})
export type LocalOptions = z.output<typeof localOptions>
