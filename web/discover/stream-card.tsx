import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { pictureUrl, priceText, watchPath, when } from '../app/format.ts'
import { Badge } from '../parts/badge.tsx'
import { Link } from '../parts/link.tsx'
import { Avatar, Name, tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'

export function StreamCard({ stream }: { stream: Stream }) {
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
            </p>
            <p class="card-facts">
              <span class="price">
                {isPaid(stream) ? priceText(stream.price) : texts.money.free}
              </span>
              <Time stream={stream} />
            </p>
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
      <Badge phase={stream.phase} />
      {stream.phase === 'live' && stream.viewers !== undefined && (
        <span class="viewers">{texts.discover.viewers(stream.viewers)}</span>
      )}
    </div>
  )
}

function Time({ stream }: { stream: Stream }) {
  const { phase, starts, ends } = stream
  if (phase === 'planned' && starts && starts > Date.now() / 1000)
    return <span>{texts.discover.starts(when(starts))}</span>
  if (phase === 'ended' && ends) return <span>{texts.discover.endedAt(when(ends))}</span>
  return null
}
