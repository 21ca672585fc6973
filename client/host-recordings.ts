import { api } from './api.ts'
import type { Signer } from './signer.ts'

/** A finished recording of one of the host's streams. Times in unix ms. */
export interface HostRecording {
  /** The stream's address, and its title. */
  readonly stream: string
  readonly title: string
  readonly name: string
  readonly startedAt: number
  readonly endedAt: number
  readonly seconds: number
  readonly bytes: number
  /** Nobody else may watch it: the stream cost something while it was made. */
  readonly hostOnly: boolean
  /** Unix ms at which the relay deletes it, where it does. */
  readonly expiresAt?: number
  /** HLS, and the MP4 files; whoever has an address has the file, for a day. */
  readonly url: string
  readonly mp4: readonly string[]
}

/**
 * What a relay has recorded of the signer's streams, the newest first (NIP-98). `origin` is the relay's http(s) origin.
 * Rejects as `api` does.
 *
 * Example: `for (const { title, mp4 } of await hostRecordings('https://relay.example', signer)) console.log(title, mp4)`.
 */
export async function hostRecordings(
  origin: string,
  signer: Signer,
): Promise<readonly HostRecording[]> {
  const said = await api(`${origin}/api/v1/recordings`, signer)
  return (said as { recordings: readonly HostRecording[] }).recordings
}
