import { useEffect, useState } from 'preact/hooks'
import { followStream } from '../../client/discover.ts'
import { sentenceOf } from '../../client/errors.ts'
import { host, type Show } from '../../client/host.ts'
import type { Stream } from '../../client/stream-book.ts'
import { type HostGrant, kinds } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { watchPath } from '../app/format.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'

const t = texts.goLive

/** What goes into OBS, whether the video has arrived, and the end of the stream. */
export function ObsPanel({ show, onAgain }: { show: Show; onAgain: () => void }) {
  const { relay, info, identity } = useApp()
  const self = info.value?.self
  const pubkey = identity.pubkey.value
  const address = pubkey && `${kinds.LiveStream}:${pubkey}:${show.d}`
  const [grant, setGrant] = useState<HostGrant | undefined>(undefined)
  const [stream, setStream] = useState<Stream | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const fail = (error: unknown) => setProblem(sentenceOf(error))
  const take = (next: HostGrant) => {
    setGrant(next)
    setProblem(next.problem ?? '')
  }

  useEffect(() => {
    identity.need().catch(fail)
  }, [identity])
  useEffect(() => {
    if (!self || !address) return
    const stops = [followStream(relay, self, address, setStream)]
    host(relay, self)
      .onIngest(address, take, fail)
      .then(stop => stops.push(stop), fail)
    return () => {
      for (const stop of stops) stop()
    }
  }, [relay, self, address])

  const phase = stream?.phase ?? 'planned'
  return (
    <div class="obs">
      <p class="obs-title">{show.title}</p>
      <p class={`obs-state ${phase}`} role="status">
        <span class="dot" />
        {phase === 'live' ? t.isLive : phase === 'ended' ? t.isOver : t.waiting}
      </p>
      {phase !== 'ended' &&
        (grant ? (
          <>
            <CopyField label={t.server} value={grant.ingest.rtmp.server} />
            <CopyField label={t.key} value={grant.ingest.rtmp.key} secret />
            <p class="hint">
              {t.obsHelp} {t.keyWarning}
            </p>
          </>
        ) : (
          <p class="muted">{t.waitingForKey}</p>
        ))}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        {address && (
          <Link class="button primary" to={watchPath(address)}>
            {t.open}
          </Link>
        )}
        {self && phase !== 'ended' ? (
          <button
            type="button"
            class="button"
            onClick={() => host(relay, self).end(show).then(onAgain, fail)}
          >
            {t.end}
          </button>
        ) : (
          <button type="button" class="button" onClick={onAgain}>
            {t.again}
          </button>
        )}
      </div>
    </div>
  )
}
