import '../styles/watch.css'
import { useEffect } from 'preact/hooks'
import type { Show } from '../../client/host.ts'
import { useApp } from '../app/app.ts'
import { watchPath } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { ChatPanel } from '../watch/chat-panel.tsx'
import { Share } from '../watch/share.tsx'
import { EarningsPanel } from './earnings-panel.tsx'
import { EndButton } from './end-button.tsx'
import { HealthPanel } from './health-panel.tsx'
import { HostPreview } from './host-preview.tsx'
import { MyRecordings } from './my-recordings.tsx'
import { ObsPanel } from './obs-panel.tsx'
import { RestreamPanel } from './restream-panel.tsx'
import { useStatus } from './use-status.ts'
import { type StudioState, useStudio } from './use-studio.ts'

const t = texts.goLive

/** The host's own page: what goes into OBS, what viewers see, what it earns, and the chat. */
export function Studio({ show, onAgain }: { show: Show; onAgain: () => void }) {
  const { identity } = useApp()
  const pubkey = identity.pubkey.value
  useEffect(() => {
    identity.need().catch(() => {})
  }, [identity])
  if (!pubkey) return <div class="loading" role="status" aria-label={texts.watch.loading} />
  return <Desk show={show} pubkey={pubkey} onAgain={onAgain} />
}

function Desk({ show, pubkey, onAgain }: { show: Show; pubkey: string; onAgain: () => void }) {
  const studio = useStudio(show, pubkey)
  const { stream, address, problem } = studio
  const phase = stream?.phase ?? 'planned'
  const over = phase === 'ended'
  return (
    <div class="studio">
      <div class="stage">
        <header class="studio-head">
          <div>
            <h1>{show.title}</h1>
            <State phase={phase} />
          </div>
          <div class="actions">
            <Link class="button" to={watchPath(address)}>
              {t.open}
            </Link>
            {stream && <Share stream={stream} />}
            {over ? (
              <button type="button" class="button primary" onClick={onAgain}>
                {t.again}
              </button>
            ) : (
              <EndButton end={studio.end} failed={studio.fail} />
            )}
          </div>
        </header>
        <Problem text={problem} />
        {over ? <Over studio={studio} show={show} /> : <OnAir studio={studio} show={show} />}
      </div>
      {stream && <ChatPanel stream={stream} />}
    </div>
  )
}

function OnAir({ studio, show }: { studio: StudioState; show: Show }) {
  const live = studio.stream?.phase === 'live'
  const [status, askAgain] = useStatus(studio)
  const watching = status?.viewers.concurrent
  return (
    <>
      {live && <HostPreview studio={studio} />}
      {live && (
        <EarningsPanel live studio={studio} paid={show.price !== undefined} watching={watching} />
      )}
      <ObsPanel studio={studio} rotates={status !== undefined} />
      {status && live && <HealthPanel status={status} />}
      {status && <RestreamPanel studio={studio} status={status} changed={askAgain} />}
    </>
  )
}

function Over({ studio, show }: { studio: StudioState; show: Show }) {
  return (
    <>
      {show.price && <EarningsPanel studio={studio} paid live={false} />}
      <MyRecordings fresh={studio.address} />
    </>
  )
}

function State({ phase }: { phase: string }) {
  const text = phase === 'live' ? t.isLive : phase === 'ended' ? t.isOver : t.waiting
  return (
    <p class={`obs-state ${phase}`} role="status">
      <span class="dot" />
      {text}
    </p>
  )
}
