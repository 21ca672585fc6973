import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { pictureUrl, priceText, watchPath, when } from '../app/format.ts'
import { Badge } from '../parts/badge.tsx'
import { Link } from '../parts/link.tsx'
import { Avatar, Name, tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'

export function StreamCard({ stream, followed }: { stream: Stream; followed: boolean }) {
  const title = stream.title || texts.discover.untitled
  return (
    <li class="card">
      <Link to={watchPath(stream.address)} label={texts.discover.watch(title)}>
        <Thumb stream={stream} />
        <div class="card-text">
          <Avatar pubkey={stream.host} />
          <div>
            <h3>{title}</h3>
            <p class="muted">
              <Name pubkey={stream.host} />
              {followed && <span class="followed">{texts.discover.followed}</span>}
            </p>
            <p class="card-facts">
              <span class="price">
                {isPaid(stream) ? priceText(stream.price) : texts.money.free}
              </span>
              <Time stream={stream} />
            </p>
            <Tags hashtags={stream.hashtags} />
          </div>
        </div>
      </Link>
    </li>
  )
}

function Thumb({ stream }: { stream: Stream }) {
  const picture = pictureUrl(stream.image)
  return (
    <div class={`thumb tint-${tint(stream.host)}`}>
      {picture && <img src={picture} alt="" loading="lazy" referrerpolicy="no-referrer" />}
      <Badge phase={stream.phase} recorded={Boolean(stream.recording)} />
      {stream.phase === 'live' && stream.viewers !== undefined && (
        <span class="viewers">{texts.discover.viewers(stream.viewers)}</span>
      )}
    </div>
  )
}

const TAGS_SHOWN = 3

function Tags({ hashtags }: { hashtags: readonly string[] }) {
  const shown = [...new Set(hashtags)].filter(tag => tag.trim() !== '').slice(0, TAGS_SHOWN)
  if (shown.length === 0) return null
  return (
    <p class="card-tags">
      {shown.map(tag => (
        <span key={tag}>#{tag}</span>
      ))}
    </p>
  )
}

function Time({ stream }: { stream: Stream }) {
  const { phase, starts, ends } = stream
  if (phase === 'planned' && starts && starts > Date.now() / 1000)
    return <span>{texts.discover.starts(when(starts))}</span>
  if (phase === 'ended' && ends) return <span>{texts.discover.endedAt(when(ends))}</span>
  return null
}
