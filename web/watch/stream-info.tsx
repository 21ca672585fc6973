import type { Stream } from '../../client/stream-book.ts'
import { Badge } from '../parts/badge.tsx'
import { Avatar, Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import { Share } from './share.tsx'

/** Whose stream it is and what about. */
export function StreamInfo({ stream }: { stream: Stream }) {
  return (
    <section class="info">
      <div class="info-head">
        <Avatar pubkey={stream.host} />
        <div class="info-title">
          <h1>{stream.title || texts.discover.untitled}</h1>
          <p class="muted">
            <Name pubkey={stream.host} />
            {stream.phase === 'live' && stream.viewers !== undefined && (
              <span> · {texts.discover.viewers(stream.viewers)}</span>
            )}
          </p>
        </div>
        <div class="info-side">
          <Badge phase={stream.phase} recorded={Boolean(stream.recording)} />
          <Share stream={stream} />
        </div>
      </div>
      {stream.summary && <p class="summary">{stream.summary}</p>}
      {stream.hashtags.length > 0 && (
        <ul class="tags">
          {[...new Set(stream.hashtags)].slice(0, 12).map(tag => (
            <li key={tag}>#{tag}</li>
          ))}
        </ul>
      )}
    </section>
  )
}
