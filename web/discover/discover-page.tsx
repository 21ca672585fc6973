import '../styles/discover.css'
import { useEffect, useState } from 'preact/hooks'
import { followStreams } from '../../client/discover.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { texts } from '../texts.ts'
import { GoLive } from './go-live.tsx'
import { StreamCard } from './stream-card.tsx'

const SHOWN_ENDED = 8

/** The home page: what is live, what comes, and how to go live oneself. */
export function DiscoverPage() {
  const { relay, info } = useApp()
  const [streams, setStreams] = useState<Stream[] | undefined>(undefined)
  const self = info.value?.self
  useEffect(() => {
    document.title = texts.app.title(texts.discover.page)
    return self ? followStreams(relay, self, setStreams) : undefined
  }, [relay, self])
  useEffect(() => {
    if (location.hash === '#go-live') document.getElementById('go-live')?.scrollIntoView()
  }, [])

  const of = (...phases: Stream['phase'][]) => streams?.filter(s => phases.includes(s.phase)) ?? []
  const live = of('live')
  return (
    <div class="discover">
      <section class="intro">
        <h1>{texts.discover.headline}</h1>
        <p>{texts.discover.lead}</p>
      </section>
      <section aria-labelledby="live">
        <h2 id="live">{texts.discover.live}</h2>
        {streams === undefined ? (
          <Placeholders />
        ) : live.length > 0 ? (
          <Cards streams={live} />
        ) : (
          <div class="empty small">
            <img src="/icon.svg" alt="" width="44" height="44" />
            <h3>{texts.discover.emptyTitle}</h3>
            <p>{texts.discover.emptyText}</p>
            <a class="button" href="#go-live">
              {texts.discover.goLive}
            </a>
          </div>
        )}
      </section>
      <Section title={texts.discover.upcoming} streams={of('starting', 'planned')} />
      <Section title={texts.discover.ended} streams={of('ended').slice(0, SHOWN_ENDED)} />
      <GoLive />
    </div>
  )
}

function Section({ title, streams }: { title: string; streams: Stream[] }) {
  if (streams.length === 0) return null
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <Cards streams={streams} />
    </section>
  )
}

function Cards({ streams }: { streams: Stream[] }) {
  return (
    <ul class="cards">
      {streams.map(stream => (
        <StreamCard key={stream.address} stream={stream} />
      ))}
    </ul>
  )
}

/** Where cards will be, so that the page does not jump. */
function Placeholders() {
  return (
    <ul class="cards" aria-busy="true" aria-label={texts.discover.loading}>
      {[1, 2, 3].map(number => (
        <li key={number} class="card placeholder">
          <div class="thumb" />
        </li>
      ))}
    </ul>
  )
}
