import { z } from 'zod'

/** A rendition that the provider transcodes to. `bitrate` in bits per second; `fps` 0 keeps the source's. */
export interface Profile {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly bitrate: number
  readonly fps: number
}

const LADDER: readonly Profile[] = [
  { name: '1080p', width: 1920, height: 1080, bitrate: 6_000_000, fps: 0 },
  { name: '720p', width: 1280, height: 720, bitrate: 3_000_000, fps: 0 },
  { name: '480p', width: 854, height: 480, bitrate: 1_000_000, fps: 0 },
  { name: '360p', width: 640, height: 360, bitrate: 600_000, fps: 0 },
]

/** `720p` of the ladder, or one's own: `540p 960x540 2000` (kbit/s), with frames per second `540p 960x540@30 2000`. */
const profile = z.string().transform((text, context): Profile => {
  const known = LADDER.find(one => one.name === text)
  if (known) return known
  const [, name = '', width, height, fps, kbps] =
    /^(\S{1,64}) (\d{3,4})x(\d{3,4})(?:@(\d{1,3}))? (\d{1,6})$/.exec(text) ?? []
  if (name === '' || name === 'source' || Number(width) < 128 || Number(height) < 128) {
    const names = LADDER.map(one => one.name).join(', ')
    context.addIssue({
      code: 'custom',
      message: `"${text}" is no profile: ${names}, or like "540p 960x540 2000" (128 pixels at least)`,
    })
    return z.NEVER
  }
  return {
    name,
    width: Number(width),
    height: Number(height),
    bitrate: Number(kbps) * 1000,
    fps: Number(fps ?? 0),
  }
})

const httpUrl = z.url({ protocol: /^https?$/ }).transform(url => url.replace(/\/+$/, ''))

/** The `liveStream { livepeer { } }` block of strfry.conf. Keys and secrets come from the environment, never from here. */
export const livepeerOptions = z.object({
  /** Livepeer Studio, or any server that speaks its API. */
  serverUrl: httpUrl.default('https://livepeer.studio/api'),
  /** Where hosts push; the stream key is the last part of the path. */
  rtmpUrl: z
    .string()
    .regex(/^rtmps?:\/\/\S+[^/]$/, 'needs an rtmp:// or rtmps:// address')
    .default('rtmp://rtmp.livepeer.com/live'),
  /** Hosts (`*.` for all below one) besides the server's own from which media may be fetched. */
  playbackHosts: z
    .array(z.string().regex(/^(\*\.)?[a-z0-9.-]+$/, 'needs a host name'))
    .default([
      '*.livepeer.studio',
      'livepeercdn.studio',
      '*.livepeercdn.studio',
      'livepeercdn.com',
      '*.livepeercdn.com',
      '*.lp-playback.studio',
    ]),
  profiles: z.array(profile).prefault(['1080p', '720p', '480p']),
  /** jwt: the provider plays only to who shows a token of ours (our gateway). public: to everybody who knows the address. */
  playbackPolicy: z.enum(['jwt', 'public']).default('jwt'),
  /** Let the provider record; the companion of a free stream then names the recording. */
  record: z.boolean().default(false),
  /** Where the provider reaches /webhooks/livepeer, to register it there at the start; empty: it is registered by hand, or not at all. */
  webhookUrl: z.union([z.literal(''), httpUrl]).default(''),
  /** How often the provider is asked what is live, seconds; without webhooks, and with them. It slows down tenfold while nothing happens. */
  pollSeconds: z.number().min(0.1).default(3),
  pollWithWebhooksSeconds: z.number().min(0.1).default(30),
  /** A stream from which no new media comes for so long is not live, whatever the provider says. */
  stallSeconds: z.number().min(5).default(15),
  /** A stream that ended without its host saying so stays at the provider for so long, with its key. */
  keepEndedHours: z.number().min(0).default(24),
  reconcileMinutes: z.number().min(0.01).default(60),
  requestsPerSecond: z.number().min(0.1).default(5),
  /** Below the time that a stop of the relay may take. */
  timeoutMs: z.int().min(100).default(8000),
  /** Segments kept in memory so that many viewers cost one fetch, bytes. */
  cacheBytes: z.int().min(0).default(67_108_864),
})
export type LivepeerOptions = z.output<typeof livepeerOptions>
