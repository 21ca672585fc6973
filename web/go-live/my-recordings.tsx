import '../styles/watch.css'
import { useEffect, useState } from 'preact/hooks'
import { recordings } from '../../client/discover.ts'
import { sentenceOf } from '../../client/errors.ts'
import { type HostRecording, hostRecordings } from '../../client/host-recordings.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { watchPath, when } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { RecordingRow } from './recording-row.tsx'

const t = texts.goLive
const AGAIN_MS = 3_000
/** A recording is finished within moments of its stream's end. */
const TRIES = 20

/** What of mine can be watched again, also what is for me alone. `fresh`: a stream that has just ended, looked for until it is there. */
export function MyRecordings({ fresh }: { fresh?: string }) {
  const { origin, identity } = useApp()
  const signer = identity.signer.value
  const [asked, setAsked] = useState(false)
  const [found, setFound] = useState<readonly HostRecording[] | undefined>(undefined)
  const [playing, setPlaying] = useState<string | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const elsewhere = useAnnounced().filter(
    ({ address }) => !found?.some(({ stream }) => stream === address),
  )
  // Other signers ask their person each time: only when that is wanted.
  const asks = signer?.type === 'local' || asked
  useEffect(() => {
    if (!signer || !asks) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let tries = signer.type === 'local' && fresh ? TRIES : 1
    const ask = async () => {
      tries -= 1
      const list = await hostRecordings(origin, signer).catch((error: unknown) => error)
      if (!Array.isArray(list)) return setProblem(asked ? sentenceOf(list) : '')
      setFound(list)
      if (tries > 0 && !list.some(({ stream }) => stream === fresh))
        timer = setTimeout(ask, AGAIN_MS)
    }
    void ask()
    return () => clearTimeout(timer)
  }, [origin, signer, asks, asked, fresh])

  if (!signer) return null
  const none = (found?.length ?? 0) + elsewhere.length === 0
  if (none && asks && !fresh && problem === '') return null
  return (
    <section class="panel" aria-labelledby="recordings">
      <h2 id="recordings">{t.recordings}</h2>
      <Problem text={problem} />
      {!asks && (
        <div class="actions">
          <button type="button" class="button" onClick={() => setAsked(true)}>
            {t.showRecordings}
          </button>
        </div>
      )}
      {none && asks && <p class="muted">{fresh ? t.recordingSoon : t.noRecordings}</p>}
      <ul class="recordings">
        {found?.map(recording => (
          <RecordingRow
            key={recording.stream + recording.name}
            recording={recording}
            playing={playing === recording.name}
            onPlay={on => setPlaying(on ? recording.name : undefined)}
          />
        ))}
        {elsewhere.map(({ address, title, ends }) => (
          <li key={address}>
            <Link to={watchPath(address)}>{title || texts.discover.untitled}</Link>
            {ends && <span class="muted">{when(ends)}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What the announcements say, wherever it lies: a media provider's, another service's. */
function useAnnounced(): readonly Stream[] {
  const { relay, info, identity } = useApp()
  const [announced, setAnnounced] = useState<readonly Stream[]>([])
  const self = info.value?.self
  const me = identity.pubkey.value
  useEffect(() => {
    if (self && me) recordings(relay, self, me).then(setAnnounced, () => {})
  }, [relay, self, me])
  return announced
}
