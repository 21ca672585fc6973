import '../styles/discover.css'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'
import { sectionsOf, topTags } from './choose.ts'
import { Finder } from './finder.tsx'
import { StreamCard } from './stream-card.tsx'
import { useFollows } from './use-follows.ts'
import { useSearch, useStreams } from './use-streams.ts'

const t = texts.discover

/** The home page: what is live, what comes, and what can be watched again. */
export function DiscoverPage() {
  const streams = useStreams()
  const followed = useFollows()
  const [text, setText] = useState('')
  const [tag, setTag] = useState('')
  const found = useSearch(text)
  useEffect(() => {
    document.title = texts.app.title(t.page)
  }, [])

  const all = useMemo(() => merged(streams ?? [], found), [streams, found])
  const tags = useMemo(() => topTags(streams ?? []), [streams])
  const addresses = new Set(found.map(({ address }) => address))
  const sections = sectionsOf(all, { text: text.trim(), tag }, addresses, followed)
  const { live, upcoming, recordings, ended } = sections
  const looking = text.trim() !== '' || tag !== ''
  const nothing = looking && Object.values(sections).every(section => section.length === 0)
  const cards = (some: readonly Stream[]) => <Cards streams={some} followed={followed} />
  return (
    <div class="discover">
      <section class="intro">
        <h1>{t.headline}</h1>
        <p>{t.lead}</p>
      </section>
      <Finder text={text} onText={setText} tags={tags} tag={tag} onTag={setTag} />
      {streams === undefined ? (
        <Placeholders />
      ) : nothing ? (
        <p class="empty small" role="status">
          {t.nothingFound}
        </p>
      ) : (
        <>
          {(live.length > 0 || !looking) && (
            <section aria-labelledby="live">
              <h2 id="live">{t.live}</h2>
              {live.length > 0 ? cards(live) : <NobodyLive />}
            </section>
          )}
          <Section title={t.upcoming} count={upcoming.length}>
            {cards(upcoming)}
          </Section>
          <Section title={t.recordings} count={recordings.length}>
            {cards(recordings)}
          </Section>
          <Section title={t.ended} count={ended.length}>
            {cards(ended)}
          </Section>
        </>
      )}
    </div>
  )
}

/** Each stream once; what is followed live is newer than what a search gave. */
function merged(streams: readonly Stream[], found: readonly Stream[]): readonly Stream[] {
  const known = new Set(streams.map(({ address }) => address))
  return [...streams, ...found.filter(({ address }) => !known.has(address))]
}

function NobodyLive() {
  return (
    <div class="empty small">
      <img src="/icon.svg" alt="" width="44" height="44" />
      <h3>{t.emptyTitle}</h3>
      <p>{t.emptyText}</p>
      <Link class="button" to="/go-live">
        {t.goLive}
      </Link>
    </div>
  )
}

function Section(props: { title: string; count: number; children: preact.ComponentChildren }) {
  if (props.count === 0) return null
  return (
    <section aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
    </section>
  )
}

function Cards(props: { streams: readonly Stream[]; followed: ReadonlySet<string> }) {
  return (
    <ul class="cards">
      {props.streams.map(stream => (
        <StreamCard
          key={stream.address}
          stream={stream}
          followed={props.followed.has(stream.host)}
        />
      ))}
    </ul>
  )
}

/** Where cards will be, so that the page does not jump. */
function Placeholders() {
  return (
    <ul class="cards" aria-busy="true" aria-label={t.loading}>
      {[1, 2, 3].map(number => (
        <li key={number} class="card placeholder">
          <div class="thumb" />
        </li>
      ))}
    </ul>
  )
}
