import type { Ingest } from '../../events/index.ts'
import { type Hooks, service } from '../plugin.ts'

/**
 * Makes media streams. `id` is the stream's public id (32 hex, derived from its address): every verb may run
 * twice with the same id and must then do what it did once. A verb that cannot be done now throws MediaUnavailable.
 */
export interface MediaBackend {
  readonly name: string
  /**
   * Makes the stream, or finds it; gives where the host sends media. `key` is the stream's own key, and what the ingest
   * names, unless the backend makes its keys itself. No key is stored but in the host's grant.
   */
  create(stream: { id: string; title: string; key: string }): Promise<Ingest>
  /**
   * Ends the stream: drops its publisher, frees its media after the viewers' last segments. `mayReturn`: the relay ended it
   * because no media came, and a publisher that comes back is taken; else its key is refused from now on.
   */
  end(id: string, how?: { mayReturn: boolean }): Promise<void>
  /**
   * Sends the stream's media on to exactly these targets from now on, also of publishers still to come; an empty list ends
   * it. A target with the same id and url as before goes on undisturbed. Called for a stream that `create` has made; told
   * again after each start of the relay, so nothing needs to be kept. Absent: the backend cannot, and hosts hear so.
   */
  restream?(id: string, targets: readonly RestreamTarget[]): Promise<void>
  /**
   * Gives the stream another key, and cuts who publishes with the old one; the relay has forgotten that one before. `key` as in
   * `create`. Run twice it may give yet another key: only what it gave last counts. Absent: keys cannot be changed.
   */
  rotateKey?(stream: { id: string; title: string; key: string }): Promise<Ingest>
  /** The host deleted the stream (after `end`): nothing of it stays, recordings and pictures included. Twice is once. */
  forget?(id: string): Promise<void>
  /** How many watch elsewhere than through our gateway, or in all, as the provider counts; undefined where nobody counts. */
  viewership?(id: string): Promise<number | undefined>
  readonly media: MediaSource
  /** What it needs of its host besides: work of its own, routes for its webhooks, a start. */
  readonly hooks?: Pick<Hooks, 'jobs' | 'routes' | 'start'>
  close(): Promise<void>
}

/** Where a stream is sent on to. The key there is part of the url, which is a secret: it stands in no log and no event. */
export interface RestreamTarget {
  /** Ours, 16 hex; what `restream` events name. */
  readonly id: string
  /** What the host calls it, for logs and lists. */
  readonly name: string
  /** `rtmp://` or `rtmps://`, with the key as its last part. */
  readonly url: string
}

/** The backend cannot do this now: ask again at `retryAt` (unix ms). `problem` is a sentence for the host. */
export class MediaUnavailable extends Error {
  override name = 'MediaUnavailable'
  readonly retryAt: number
  readonly problem: string | undefined

  constructor(message: string, retryAt: number, problem?: string, cause?: unknown) {
    super(message, { cause })
    this.retryAt = Math.ceil(retryAt)
    this.problem = problem
  }
}

/** For a catch: anything else than "not now" is a broken world. */
export function unavailable(error: unknown): MediaUnavailable {
  if (error instanceof MediaUnavailable) return error
  throw error
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
  /**
   * What was live can be watched again, at this address; without one it is gone. `image`: a picture of it. `hostOnly`: it is
   * not for everybody, so nobody else hears of it.
   */
  | {
      type: 'recording'
      id: string
      at: number
      url?: string
      image?: string
      hostOnly?: boolean
    }
  /** There is a picture of what is live, at this address; it changes while the address stays. */
  | { type: 'picture'; id: string; at: number; url: string }
  /** What is wrong with media that flows, in a sentence for the host; without one all is well again. */
  | { type: 'health'; id: string; at: number; problem?: string }
  /** What became of a restream target; `problem` is a sentence for the host, without the target's url. */
  | {
      type: 'restream'
      id: string
      at: number
      target: string
      state: RestreamState
      problem?: string
    }

export type RestreamState = 'connected' | 'failed' | 'disconnected'

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

/** A file that is served in pieces (HTTP ranges). */
export interface MediaFile {
  readonly type: 'file'
  readonly contentType: string
  readonly size: number
  /** The bytes from `from` to before `to`. */
  read(from: number, to: number): AsyncIterable<Uint8Array>
}

/** A finished recording; its files are `<name>/index.m3u8` and `<name>/recording.mp4` below its stream. */
export interface Recording {
  readonly name: string
  /** Unix ms. */
  readonly startedAt: number
  readonly endedAt: number
  readonly seconds: number
  /** What is missing in between, seconds: the publisher was away, or the disk was full. */
  readonly missingSeconds: number
  readonly bytes: number
  /** The stream cost something while it was made. */
  readonly hostOnly: boolean
  /** Its MP4 files; more than one where the encoder's settings changed on the way. */
  readonly mp4: readonly string[]
  /** Unix ms at which it is deleted; absent: it is kept. */
  readonly expiresAt?: number
}

export interface Recordings {
  /** Whose the recording of that name is; undefined where there is none. */
  get(id: string, name: string): Promise<{ readonly hostOnly: boolean } | undefined>
  /** A stream's finished recordings, newest first. */
  list(id: string): Promise<Recording[]>
  /** Takes one off the disk for good; false when there is none. */
  delete(id: string, name: string): Promise<boolean>
}

/** Where a stream's picture is below its public id; whoever may see the announcement may see it. */
export const PICTURE_PATH = 'thumbnail.jpg'

/** The recording's name of a path below one, for example `rec1763716088123` of `rec1763716088123/index.m3u8`. */
export const recordingOf = (path: string): string | undefined => /^(rec\d{13})\//.exec(path)?.[1]

/** What the gateway serves. Paths are relative to the stream: `master.m3u8`, `source/index.m3u8`, `480p/12.m4s`. */
export interface MediaSource {
  /** `query` carries LL-HLS delivery directives; undefined means that there is no such file (404). */
  fetch(
    id: string,
    path: string,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<Playlist | Segment | MediaFile | undefined>
  /** Names of the stream's renditions, best first, for example `['source', '480p']`. */
  qualities(id: string): readonly string[]
  /** What was recorded on this machine; absent: it records nothing here. */
  readonly recordings?: Recordings
}

/** Provided by live-stream, used by playback. */
export const mediaService = service<MediaSource>('media')
