import {
  type Announcement,
  kinds,
  type NostrEvent,
  parseAddress,
  parseAnnouncement,
  tagsNamed,
  tagValue,
} from '../events/index.ts'

/** A stream as a person sees it: what its host says and what the relay knows of its media. */
export interface Stream extends Announcement {
  /** `starting`: said to be live, and no media is there yet. */
  readonly phase: 'planned' | 'starting' | 'live' | 'ended'
  /** Where it plays, http(s) only: the public URL of the relay, or somebody else's. */
  readonly playbackUrl?: string
  /** True when the relay itself serves the media, so it can be paid here. */
  readonly served: boolean
  /** The addresses its chat may name: the host's, and the companion's. */
  readonly chatAddresses: readonly string[]
  /** People watching, where somebody counts. */
  readonly viewers?: number
}

interface Said {
  readonly event: NostrEvent
  readonly announcement: Announcement
}

/** NIP-53: a stream that says `live` and is not updated for an hour may be taken for over. */
const STALE_SECONDS = 3600

/**
 * Every stream known from 30311 events, each once: a relay's companion (its `a` names the host's own
 * announcement) is folded into the stream that it speaks for. `self` is the relay's pubkey.
 *
 * Example: `const book = streamBook(self); book.add(event); book.list(Date.now() / 1000)`.
 */
export function streamBook(self: string) {
  const said = new Map<string, Said>()

  /** Takes a 30311, or the kind 5 that takes one back. True when something changed. */
  function add(event: NostrEvent): boolean {
    if (event.kind === kinds.Deletion) return forget(event)
    const parsed = parseAnnouncement(event)
    if (!parsed.ok) return false
    const before = said.get(parsed.value.address)
    if (before && !isNewer(event, before.event)) return false
    said.set(parsed.value.address, { event, announcement: parsed.value })
    return true
  }

  function forget(deletion: NostrEvent): boolean {
    const before = said.size
    for (const [address, { event }] of said) {
      const named = deletion.tags.some(
        ([name, value]) =>
          (name === 'a' && value === address) || (name === 'e' && value === event.id),
      )
      if (named && event.pubkey === deletion.pubkey && event.created_at <= deletion.created_at)
        said.delete(address)
    }
    return said.size < before
  }

  /** All streams at `now` (unix s): live first, then by what begins next, then by what ended last. */
  function list(now: number): Stream[] {
    const companions = new Map<string, Said>()
    for (const entry of said.values()) {
      const address = companionOf(entry.event, self)
      if (address) companions.set(address, entry)
    }
    const streams: Stream[] = []
    for (const [address, entry] of said)
      if (!companionOf(entry.event, self)) streams.push(merge(entry, companions.get(address), now))
    for (const [address, companion] of companions)
      if (!said.has(address)) streams.push(merge(undefined, companion, now, address))
    return streams.sort(byInterest)
  }

  const get = (address: string, now: number): Stream | undefined =>
    list(now).find(stream => stream.address === address)

  return { add, list, get }

  function merge(
    own: Said | undefined,
    companion: Said | undefined,
    now: number,
    address = own?.announcement.address ?? '',
  ): Stream {
    const base = (own ?? companion)?.announcement as Announcement
    const state = (companion ?? own) as Said
    const playbackUrl = playable(state.announcement) ?? playable(base)
    const counted = tagValue(state.event, 'current_participants')
    return {
      ...base,
      address,
      host: parseAddress(address)?.pubkey ?? base.host,
      d: parseAddress(address)?.d ?? base.d,
      // Where its recording and its picture are only the relay knows, but for a host that has its own.
      recording: state.announcement.recording ?? base.recording,
      image: base.image || state.announcement.image,
      starts: state.announcement.starts ?? base.starts,
      ends: state.announcement.ends ?? base.ends,
      phase: phaseOf(state, playbackUrl, companion !== undefined, now),
      playbackUrl,
      served: companion !== undefined || isOurs(playbackUrl, base),
      chatAddresses: companion ? [address, companion.announcement.address] : [address],
      viewers: counted === undefined ? undefined : Number(counted),
    }
  }
}

export type StreamBook = ReturnType<typeof streamBook>

function companionOf(event: NostrEvent, self: string): string | undefined {
  if (event.pubkey !== self) return undefined
  return tagsNamed(event, 'a').find(
    tag => parseAddress(tag[1] ?? '')?.kind === kinds.LiveStream,
  )?.[1]
}

/** The relay's playback URLs end like this, whatever its name in the network is. */
const isOurs = (url: string | undefined, { streaming }: Announcement): boolean =>
  streaming.length === 0 || /\/p\/[0-9a-f]{32}\/master\.m3u8$/.test(url ?? '')

const playable = ({ streaming }: Announcement): string | undefined =>
  streaming.find(url => /^https?:\/\/[^/]+\/.*\.m3u8(\?|$)/.test(url))

function phaseOf(said: Said, url: string | undefined, ours: boolean, now: number): Stream['phase'] {
  const { status } = said.announcement
  if (status === 'ended') return 'ended'
  if (status !== 'live') return 'planned'
  if (ours || isOurs(url, said.announcement)) return url ? 'live' : 'starting'
  return now - said.event.created_at > STALE_SECONDS ? 'ended' : 'live'
}

/** NIP-01: of two versions of the same second the one with the lower id counts. */
const isNewer = (a: NostrEvent, b: NostrEvent): boolean =>
  a.created_at > b.created_at || (a.created_at === b.created_at && a.id < b.id)

const order: readonly Stream['phase'][] = ['live', 'starting', 'planned', 'ended']

function byInterest(a: Stream, b: Stream): number {
  const phase = order.indexOf(a.phase) - order.indexOf(b.phase)
  if (phase !== 0) return phase
  if (a.phase === 'planned') return (a.starts ?? Infinity) - (b.starts ?? Infinity) || 0
  return (b.ends ?? b.starts ?? 0) - (a.ends ?? a.starts ?? 0)
}
