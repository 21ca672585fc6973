import { parseAmount } from '../events/index.ts'
import { api } from './api.ts'
import type { Signer } from './signer.ts'

/** What a stream has earned its host, in the stream's asset and up to this moment. Amounts in the asset's smallest unit. */
export interface Earnings {
  readonly asset: string
  readonly earned: bigint
  /** All the host's streams at this relay together. */
  readonly earnedInAll: bigint
  /** What each second of this stream adds now, in thousandths of a unit. */
  readonly milliPerSecond: bigint
  /** Sessions of this stream that are paid up, and that are in their free preview. */
  readonly paying: number
  readonly previewing: number
}

/** A host's own way to see its stream without paying; times in unix seconds. */
export interface HostTicket {
  readonly playbackUrl: string
  readonly expiresAt: number
}

/** Where a stream is sent on to; the key there is not told again. */
export interface Restream {
  readonly id: string
  readonly name: string
  readonly server: string
  readonly state: 'waiting' | 'connected' | 'failed' | 'disconnected'
  readonly problem?: string
}

/** What a relay knows of a stream that its host may know too. Times in unix seconds. */
export interface StreamStatus {
  readonly phase: string
  readonly viewers: { readonly concurrent: number; readonly peak: number; readonly total: number }
  readonly liveSeconds: number
  /** What is wrong with it now, in a sentence. */
  readonly problem?: string
  readonly restream: readonly Restream[]
  /** What went wrong so far, the newest first. */
  readonly errors: readonly { at: number; lastAt: number; times: number; cause: string }[]
}

/** One minute of a stream. */
export interface ViewersMinute {
  /** When it began, unix seconds. */
  readonly at: number
  /** The most at a time. */
  readonly viewers: number
}

/**
 * The host's side of a relay's HTTP API (NIP-98). `origin` is the relay's http(s) origin, `id` the stream's public id
 * (32 hex, in its playback URL). Everything rejects as `api` does.
 *
 * Example: `(await hostApi('https://relay.example', signer, id).earnings()).earned`.
 */
export function hostApi(origin: string, signer: Signer, id: string) {
  const base = `${origin}/api/v1/streams/${id}`
  return {
    async earnings(): Promise<Earnings> {
      const said = (await api(`${base}/earnings`, signer)) as Record<keyof Earnings, unknown>
      const amount = (value: unknown) => parseAmount(String(value)) ?? 0n
      return {
        asset: String(said.asset),
        earned: amount(said.earned),
        earnedInAll: amount(said.earnedInAll),
        milliPerSecond: amount(said.milliPerSecond),
        paying: Number(said.paying),
        previewing: Number(said.previewing),
      }
    },

    ticket: async (): Promise<HostTicket> => (await api(`${base}/ticket`, signer)) as HostTicket,

    status: async (): Promise<StreamStatus> =>
      (await api(`${base}/status`, signer)) as StreamStatus,

    /** Who watched, minute by minute, the oldest first. */
    async viewers(minutes = 60): Promise<readonly ViewersMinute[]> {
      const said = await api(`${base}/metrics?minutes=${minutes}`, signer)
      return (said as { minutes: readonly ViewersMinute[] }).minutes
    },

    /** Another stream key; the old one is refused from now on. The new one comes as a 5650 (`onIngest`). */
    async rotateKey(): Promise<void> {
      await api(`${base}/key`, signer, { method: 'POST' })
    },

    /** Sends the stream on: `url` is rtmp:// or rtmps:// with the key there as its last part. */
    addRestream: async (url: string, name?: string): Promise<Restream> =>
      (await api(`${base}/restream`, signer, {
        method: 'POST',
        body: { url, ...(name ? { name } : {}) },
      })) as Restream,

    async removeRestream(target: string): Promise<void> {
      await api(`${base}/restream/${target}`, signer, { method: 'DELETE' })
    },
  }
}
