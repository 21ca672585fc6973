import { z } from 'zod'
import { collection } from '../../collection.ts'

/** What we know of a stream at the provider, by our public id. */
const shape = z.object({
  id: z.string(),
  /** The provider's own ids. */
  providerId: z.string(),
  playbackId: z.string(),
  /** Is it pushed to, as far as the provider said? */
  active: z.boolean(),
  /** The provider's clock (unix ms) at the newest event that counted: older ones that come later do not. */
  eventAt: z.number(),
  /** Our clock (unix ms) when `active` was last set. */
  touchedAt: z.number(),
  /** What the provider finds wrong with what is pushed. */
  problem: z.string().optional(),
  /** A recording is under way: the stream stays at the provider until it is ready. */
  recording: z.boolean().default(false),
})
export type ProviderRecord = z.output<typeof shape>

export const providerRecords = collection('livepeer-stream', shape)
/** The provider's id -> our public id. */
export const providerIds = collection('livepeer-id', z.object({ id: z.string() }))
/** Webhook events that were taken, as `<day>/<id>`. */
export const takenEvents = collection('livepeer-event', z.object({ at: z.number() }))

/** A stream's name at the provider: what a retried job finds it by, and what marks it as this relay's. */
export const streamName = (self: string, id: string): string => ownPrefix(self) + id
export const ownPrefix = (self: string): string => `sluice/${self.slice(0, 16)}/`
