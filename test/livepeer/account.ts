import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Webhook } from './cannon.ts'
import type { Recording } from './media.ts'

const profile = z.strictObject({
  name: z.string().min(1).max(500),
  width: z.int().min(128),
  height: z.int().min(128),
  bitrate: z.int().min(400),
  fps: z.int().min(0),
  fpsDen: z.int().min(1).optional(),
  quality: z.int().min(0).max(44).optional(),
  gop: z.string().optional(),
  profile: z.enum(['H264Baseline', 'H264Main', 'H264High', 'H264ConstrainedHigh']).optional(),
  encoder: z.enum(['H.264']).optional(),
})
const playbackPolicy = z.strictObject({
  type: z.enum(['public', 'jwt', 'webhook']),
  webhookId: z.string().optional(),
  webhookContext: z.record(z.string(), z.unknown()).optional(),
})
const multistream = z.strictObject({
  targets: z
    .array(
      z.strictObject({
        profile: z.string(),
        videoOnly: z.boolean().optional(),
        id: z.string().optional(),
        spec: z.strictObject({ name: z.string().optional(), url: z.string() }).optional(),
      }),
    )
    .optional(),
})
const userTags = z.record(z.string(), z.union([z.string(), z.number()]))

/** Where streams are sent on to: objects of their own, which outlive the streams that use them. */
export interface ProviderTarget {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly createdAt: number
}

export const newStream = z.strictObject({
  name: z.string().min(1),
  profiles: z.array(profile).nullish(),
  playbackPolicy: playbackPolicy.nullish(),
  record: z.boolean().optional(),
  recordingSpec: z.looseObject({}).optional(),
  multistream: multistream.optional(),
  userTags: userTags.optional(),
  creatorId: z.unknown().optional(),
})
export const streamPatch = newStream.partial().extend({ suspended: z.boolean().optional() })

export interface ProviderStream extends Omit<z.output<typeof newStream>, 'profiles'> {
  readonly id: string
  readonly kind: 'stream'
  readonly streamKey: string
  readonly playbackId: string
  readonly createdAt: number
  profiles: z.output<typeof profile>[]
  isActive: boolean
  isHealthy?: boolean | null
  issues?: string[] | null
  lastSeen: number
  suspended: boolean
  deleted: boolean
  lastTerminatedAt?: number
  renditions: object
}

export interface ProviderSession {
  readonly id: string
  readonly parentId: string
  readonly playbackId: string
  readonly name: string
  readonly record: boolean
  readonly createdAt: number
  lastSeen: number
  sourceSegmentsDuration: number
  recordingStatus?: 'waiting' | 'ready'
  recordingUrl?: string
  mp4Url?: string
  media?: Recording
}

/** What one account at the provider holds. */
export function account() {
  const streams = new Map<string, ProviderStream>()
  const sessions = new Map<string, ProviderSession>()
  const webhooks = new Map<string, Webhook>()
  const signingKeys = new Map<
    string,
    { id: string; name: string; publicKey: string; createdAt: number }
  >()
  const targets = new Map<string, ProviderTarget>()
  let first = 0

  return {
    streams,
    targets,
    /** How many watch, by playback id. */
    views: new Map<string, number>(),
    /** What a stream's `multistream` becomes: new targets are made; the sentence of a 400 where something is wrong. */
    multistream(stream: ProviderStream, wanted: z.output<typeof multistream>) {
      const names = new Set(['source', ...stream.profiles.map(one => one.name)])
      const found = []
      for (const { spec, id, ...rest } of wanted.targets ?? []) {
        if (!names.has(rest.profile))
          return `multistream target profile not found: "${rest.profile}"`
        if (!!spec === !!id) return 'multistream target must have either an "id" or a "spec"'
        if (id && !targets.has(id)) return `multistream target not found: "${id}"`
        const made = id ?? randomUUID()
        if (spec) {
          const name = spec.name || new URL(spec.url).host
          targets.set(made, { id: made, name, url: spec.url, createdAt: Date.now() })
        }
        found.push({ ...rest, id: made })
      }
      return { targets: found }
    },
    sessions,
    webhooks,
    signingKeys,
    make(wanted: z.output<typeof newStream>): ProviderStream {
      const id = randomUUID()
      const stream: ProviderStream = {
        ...wanted,
        kind: 'stream',
        id,
        profiles: wanted.profiles ?? [],
        streamKey: (randomBytes(8).toString('hex').match(/.{4}/g) ?? []).join('-'),
        playbackId: id.slice(0, 4) + randomBytes(6).toString('hex'),
        // Times in ms are what lists are ordered by: no two alike.
        createdAt: Math.max(Date.now(), ++first),
        isActive: false,
        lastSeen: 0,
        suspended: false,
        deleted: false,
        renditions: {},
      }
      first = stream.createdAt
      streams.set(id, stream)
      return stream
    },
    present: (): ProviderStream[] => [...streams.values()].filter(stream => !stream.deleted),
  }
}
export type Account = ReturnType<typeof account>

/** How a stream looks from outside; a webhook's has no streamKey. */
export function external(stream: ProviderStream, withKey: boolean): object {
  const { deleted, streamKey, ...rest } = stream
  return { ...rest, ...(withKey ? { streamKey } : {}) }
}
