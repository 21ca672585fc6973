import type { Stream } from '../../client/stream-book.ts'

/** What a visitor looks for. */
export interface Wanted {
  readonly text: string
  /** A hashtag, in lower case; empty for all. */
  readonly tag: string
}

/** The sections of the home page. */
export interface Sections {
  readonly live: readonly Stream[]
  readonly upcoming: readonly Stream[]
  readonly recordings: readonly Stream[]
  readonly ended: readonly Stream[]
}

const ENDED_SHOWN = 8
const RECORDINGS_SHOWN = 40

/**
 * Sorts streams into sections: in each, those of people one follows come first and the order is kept otherwise.
 * `found` holds the addresses that a search at the relay gave, which match whatever they say.
 */
export function sectionsOf(
  streams: readonly Stream[],
  wanted: Wanted,
  found: ReadonlySet<string>,
  followed: ReadonlySet<string>,
): Sections {
  const shown = streams.filter(
    stream =>
      hasTag(stream, wanted.tag) && (found.has(stream.address) || says(stream, wanted.text)),
  )
  const of = (...phases: Stream['phase'][]) => {
    const some = shown.filter(({ phase }) => phases.includes(phase))
    const isFollowed = ({ host }: Stream) => followed.has(host)
    return [...some.filter(isFollowed), ...some.filter(stream => !isFollowed(stream))]
  }
  const over = of('ended')
  return {
    live: of('live'),
    upcoming: of('starting', 'planned'),
    recordings: over.filter(({ recording }) => recording).slice(0, RECORDINGS_SHOWN),
    ended: over.filter(({ recording }) => !recording).slice(0, ENDED_SHOWN),
  }
}

/** The hashtags that most streams carry, the most frequent first. */
export function topTags(streams: readonly Stream[], most = 10): string[] {
  const count = new Map<string, number>()
  for (const { hashtags } of streams)
    for (const tag of new Set(hashtags.map(normal)))
      if (tag !== '' && tag.length <= 24) count.set(tag, (count.get(tag) ?? 0) + 1)
  return [...count]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([tag]) => tag)
}

const normal = (tag: string): string => tag.trim().replace(/^#/, '').toLowerCase()

const hasTag = ({ hashtags }: Stream, tag: string): boolean =>
  tag === '' || hashtags.some(one => normal(one) === tag)

function says({ title, summary, hashtags }: Stream, text: string): boolean {
  const all = [title, summary, ...hashtags].join(' ').toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every(word => all.includes(word))
}
