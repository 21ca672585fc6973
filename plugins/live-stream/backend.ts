import type { Ingest } from '../../events/index.ts'
import { service } from '../plugin.ts'

/**
 * Makes media streams. `id` is the stream's public id (32 hex, derived from its address): every verb may run
 * twice with the same id and must then do what it did once.
 */
export interface MediaBackend {
  readonly name: string
  /** Makes the stream, or finds it. `keyHash` is SHA-256 of the stream key in hex: the key itself is never stored. */
  create(stream: { id: string; keyHash: string }): Promise<void>
  /** Where the host sends media. */
  ingest(key: string): Ingest
  /** Ends the stream: drops its publisher, refuses the key, frees its media after the viewers' last segments. */
  end(id: string): Promise<void>
  readonly media: MediaSource
  close(): Promise<void>
}

/** What a backend tells live-stream, in order for each stream. */
export type MediaEvent =
  /** Playable media flows: the first segments stand. */
  | { type: 'live'; id: string; at: number }
  /** Media flows on; at least every 2 s while live, with the wall-clock end (ms) of the newest media. */
  | { type: 'progress'; id: string; at: number }
  /** The publisher is gone or the engine died and is not back yet. */
  | { type: 'idle'; id: string; at: number; cause: string }
  | { type: 'error'; id: string; at: number; cause: string }

export interface Playlist {
  readonly type: 'playlist'
  readonly text: string
}

export interface Segment {
  readonly type: 'segment'
  readonly contentType: string
  readonly body: Uint8Array
  /** Wall-clock end of what it holds, unix ms; undefined for an init segment. */
  readonly endMs?: number
}

/** What the gateway serves. Paths are relative to the stream: `master.m3u8`, `source/index.m3u8`, `480p/12.m4s`. */
export interface MediaSource {
  /** `query` carries LL-HLS delivery directives; undefined means that there is no such file (404). */
  fetch(
    id: string,
    path: string,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<Playlist | Segment | undefined>
  /** Names of the stream's renditions, best first, for example `['source', '480p']`. */
  qualities(id: string): readonly string[]
}

/** Provided by live-stream, used by playback. */
export const mediaService = service<MediaSource>('media')
