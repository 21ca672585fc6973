import { createHash } from 'node:crypto'
import { MediaUnavailable, type Playlist, type Segment } from '../../backend.ts'
import type { FetchCache } from './cache.ts'
import { rewritePlaylist, type UriKind } from './rewrite.ts'
import type { Upstream } from './upstream.ts'

const MAX_PLAYLIST_BYTES = 1 << 20
const MAX_SEGMENT_BYTES = 64 << 20
/** How long one answer serves all viewers, ms. */
const MASTER_FRESH_MS = 5000
const PLAYLIST_FRESH_MS = 800
/** What is not there may be there soon. */
const MISSING_MS = 400
/** A name that no playlist has named for so long is forgotten, ms. */
const NAME_KEPT_MS = 120_000

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ts: 'video/mp2t',
  m4s: 'video/iso.segment',
  mp4: 'video/mp4',
  aac: 'audio/aac',
  m4a: 'audio/mp4',
  vtt: 'text/vtt',
}

interface Named {
  readonly url: string
  readonly kind: UriKind
  seenAt: number
  /** Wall-clock end, unix ms; segments only. */
  endMs?: number
}

interface Held {
  readonly at: number
  readonly answer: Promise<string | undefined>
  missing: boolean
}

/**
 * One stream's HLS at the provider, under names of our own. Clients never name an address: a name stands for one that was
 * seen in a playlist of this stream. Playlists are fetched once for all viewers.
 */
export class ProxiedStream {
  private readonly options: ProxiedOptions
  private readonly names = new Map<string, Named>()
  private readonly held = new Map<string, Held>()
  private variants: string[] = []
  private heights: string[] = []
  private newest: number | undefined

  constructor(options: ProxiedOptions) {
    this.options = options
  }

  /** The file at one of our paths; undefined where there is none (any more). Throws MediaUnavailable. */
  async fetch(path: string, signal?: AbortSignal): Promise<Playlist | Segment | undefined> {
    if (path === 'master.m3u8') {
      const text = await this.master()
      return text === undefined ? undefined : { type: 'playlist', text }
    }
    // After a restart names are known again once the playlists were read.
    if (!this.names.has(path)) await this.learn(path)
    const named = this.names.get(path)
    if (!named) return undefined
    named.seenAt = this.options.now()
    if (named.kind === 'media') return this.segment(path, named, signal)
    const text = await this.playlist(path, named)
    return text === undefined ? undefined : { type: 'playlist', text }
  }

  /** Looks for new media. True when there is some since the last look. */
  async advanced(): Promise<boolean> {
    await this.master()
    const variant = this.variants[0]
    const named = variant === undefined ? undefined : this.names.get(variant)
    const text = variant && named && (await this.playlist(variant, named))
    const newest = text ? newestNumber(text) : undefined
    if (newest === undefined || newest === this.newest) return false
    this.newest = newest
    return true
  }

  /** Names of the renditions, best first, as the master playlist had them. */
  get qualities(): readonly string[] {
    return this.heights
  }

  private master(): Promise<string | undefined> {
    return this.shared('master.m3u8', MASTER_FRESH_MS, async () => {
      const entry = await this.options.entry()
      const text = entry && (await this.read(entry))
      // A media playlist where a master was expected is a stream of one rendition: players take it as well.
      if (text)
        this.variants = uriLines(text).filter(name => this.names.get(name)?.kind === 'playlist')
      if (text) this.heights = qualitiesOf(text)
      return text
    })
  }

  private playlist(name: string, named: Named): Promise<string | undefined> {
    return this.shared(name, PLAYLIST_FRESH_MS, async () => {
      const text = await this.read(named.url)
      if (text) this.time(text)
      return text
    })
  }

  private shared(name: string, freshMs: number, load: () => Promise<string | undefined>) {
    const now = this.options.now()
    const known = this.held.get(name)
    if (known && now - known.at < (known.missing ? MISSING_MS : freshMs)) return known.answer
    const answer = load().catch(error => {
      this.held.delete(name)
      throw new MediaUnavailable('livepeer: playlist', this.options.now() + 1000, undefined, error)
    })
    const held: Held = { at: now, answer, missing: false }
    this.held.set(name, held)
    answer.then(
      text => {
        held.missing = text === undefined
      },
      () => undefined,
    )
    return answer
  }

  private async read(url: string): Promise<string | undefined> {
    const limits = { maxBytes: MAX_PLAYLIST_BYTES }
    const got = await this.options.upstream.get(await this.options.unlock(url), limits)
    if (got.status >= 500) throw new Error(`upstream answered ${got.status}`)
    const text = got.status === 200 ? got.body.toString() : ''
    if (!text.startsWith('#EXTM3U')) return undefined
    this.forget()
    return rewritePlaylist(text, got.url, (found, kind) => this.nameOf(found, kind))
  }

  private async segment(name: string, named: Named, signal?: AbortSignal) {
    const { upstream, cache, unlock } = this.options
    const body = await cache(named.url, async () => {
      // Others may wait for the same bytes: one viewer who leaves does not end it.
      const got = await upstream.get(await unlock(named.url), { maxBytes: MAX_SEGMENT_BYTES })
      if (got.status >= 500) throw new Error(`upstream answered ${got.status}`)
      return got.status === 200 ? got.body : undefined
    }).catch(error => {
      const retryAt = this.options.now() + 1000
      throw new MediaUnavailable('livepeer: segment', retryAt, undefined, error)
    })
    if (!body || signal?.aborted) return undefined
    const contentType = CONTENT_TYPES[name.split('.')[1] ?? ''] ?? 'application/octet-stream'
    return { type: 'segment' as const, contentType, body, endMs: named.endMs }
  }

  private async learn(path: string): Promise<void> {
    await this.master()
    for (const variant of this.variants) {
      if (this.names.has(path)) return
      const named = this.names.get(variant)
      if (named) await this.playlist(variant, named)
    }
  }

  private nameOf(url: string, kind: UriKind): string {
    const hash = createHash('sha256').update(url).digest('hex').slice(0, 24)
    const ending = /\.([a-z0-9]{2,4})$/.exec(new URL(url).pathname.toLowerCase())?.[1] ?? ''
    const known = Object.hasOwn(CONTENT_TYPES, ending) ? ending : 'ts'
    const name = `${hash}.${kind === 'playlist' ? 'm3u8' : known}`
    const seenAt = this.options.now()
    const before = this.names.get(name)
    if (before) before.seenAt = seenAt
    else this.names.set(name, { url, kind, seenAt })
    return name
  }

  /** The gate bills by when media ends: new segments end now, those before them as much earlier as the later ones last. */
  private time(playlist: string): void {
    let endMs = this.options.now()
    for (const { name, seconds } of mediaLines(playlist).reverse()) {
      const named = this.names.get(name)
      if (named) named.endMs ??= endMs
      endMs -= seconds * 1000
    }
  }

  private forget(): void {
    const now = this.options.now()
    for (const [name, { seenAt }] of this.names)
      if (now - seenAt > NAME_KEPT_MS) this.names.delete(name)
    for (const [name, { at }] of this.held) if (now - at > NAME_KEPT_MS) this.held.delete(name)
  }
}

export interface ProxiedOptions {
  readonly upstream: Upstream
  readonly cache: FetchCache
  now(): number
  /** The address of the master playlist; undefined while there is none. */
  entry(): Promise<string | undefined>
  /** The address with what opens it there. */
  unlock(url: string): string | Promise<string>
}

const uriLines = (playlist: string): string[] =>
  playlist.split('\n').filter(line => line !== '' && !line.startsWith('#'))

/** Segments of a media playlist with their lengths, in order. */
function mediaLines(playlist: string): { name: string; seconds: number }[] {
  let seconds = 0
  const found: { name: string; seconds: number }[] = []
  for (const line of playlist.split('\n')) {
    const length = /^#EXTINF:([\d.]+)/.exec(line)?.[1]
    if (length !== undefined) seconds = Number(length)
    else if (line !== '' && !line.startsWith('#')) found.push({ name: line, seconds })
  }
  return found
}

/** The number of a media playlist's newest segment; its address may change with each fetch. */
function newestNumber(playlist: string): number | undefined {
  const first = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(playlist)?.[1] ?? 0)
  const count = mediaLines(playlist).length
  return count === 0 ? undefined : first + count
}

function qualitiesOf(master: string): string[] {
  const found = [...master.matchAll(/^#EXT-X-STREAM-INF:(.*)$/gm)].map(([, attributes = '']) => {
    const height = Number(/RESOLUTION=\d+x(\d+)/.exec(attributes)?.[1] ?? 0)
    const name = /(?:^|,)NAME="([^"]+)"/.exec(attributes)?.[1]
    return { name: name ?? (height ? `${height}p` : 'source'), height }
  })
  return [...new Set(found.sort((a, b) => b.height - a.height).map(one => one.name))]
}
