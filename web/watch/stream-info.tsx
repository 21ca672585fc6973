import { useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { watchPath } from '../app/format.ts'
import { Badge } from '../parts/badge.tsx'
import { copyText } from '../parts/copy-field.tsx'
import { Avatar, Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'

/** Title, host, summary, tags and the link to share. */
export function StreamInfo({ stream }: { stream: Stream }) {
  const [copied, setCopied] = useState(false)
  const share = async () => {
    await copyText(new URL(watchPath(stream.address), location.href).href)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <section class="info">
      <div class="info-head">
        <Avatar pubkey={stream.host} />
        <div class="info-title">
          <h1>{stream.title || texts.discover.untitled}</h1>
          <p class="muted">
            <Name pubkey={stream.host} />
          </p>
        </div>
        <div class="info-side">
          <Badge phase={stream.phase} />
          <button type="button" class="button quiet" onClick={share} aria-live="polite">
            {copied ? texts.app.copied : texts.watch.share}
          </button>
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
