import { useEffect, useState } from 'preact/hooks'
import { recordings } from '../../client/discover.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { watchPath, when } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'

const t = texts.goLive

/** What of mine can be watched again. */
export function MyRecordings() {
  const { relay, info, identity } = useApp()
  const [found, setFound] = useState<readonly Stream[]>([])
  const self = info.value?.self
  const me = identity.pubkey.value
  useEffect(() => {
    if (self && me) recordings(relay, self, me).then(setFound, () => {})
  }, [relay, self, me])
  if (found.length === 0) return null
  return (
    <section class="panel" aria-labelledby="recordings">
      <h2 id="recordings">{t.recordings}</h2>
      <ul class="recordings">
        {found.map(({ address, title, ends }) => (
          <li key={address}>
            <Link to={watchPath(address)}>{title || texts.discover.untitled}</Link>
            {ends && <span class="muted">{when(ends)}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}
