import { useState } from 'preact/hooks'
import { hostApi, type StreamStatus } from '../../client/host-api.ts'
import { useApp } from '../app/app.ts'
import { texts } from '../texts.ts'
import type { StudioState } from './use-studio.ts'

const t = texts.goLive

/** Other services that the stream is sent on to. */
export function RestreamPanel(props: {
  studio: StudioState
  status: StreamStatus
  changed: () => void
}) {
  const { origin } = useApp()
  const { studio, status, changed } = props
  const [url, setUrl] = useState('')
  const { id, signer, fail } = studio
  if (!id || !signer) return null
  const api = hostApi(origin, signer, id)
  const attempt = (work: Promise<unknown>) => {
    fail(undefined)
    work.then(changed, fail)
  }
  const add = (event: Event) => {
    event.preventDefault()
    attempt(api.addRestream(url.trim()).then(() => setUrl('')))
  }
  return (
    <section class="panel" aria-labelledby="restream">
      <h2 id="restream">{t.restream}</h2>
      <p class="hint">{t.restreamHelp}</p>
      {status.restream.length > 0 && (
        <ul class="targets">
          {status.restream.map(target => (
            <li key={target.id}>
              <span class={`target-state ${target.state}`}>{t.restreamState[target.state]}</span>
              <span class="break">
                {target.name} <span class="muted">{target.problem ?? target.server}</span>
              </span>
              <button
                type="button"
                class="button small"
                onClick={() => attempt(api.removeRestream(target.id))}
              >
                {t.restreamEnd}
              </button>
            </li>
          ))}
        </ul>
      )}
      <form class="field" onSubmit={add}>
        <label>
          <span>{t.restreamUrl}</span>
          <input
            type="password"
            autocomplete="off"
            required
            placeholder="rtmp://server/app/key"
            value={url}
            onInput={event => setUrl(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button" disabled={url.trim() === ''}>
          {t.restreamAdd}
        </button>
      </form>
    </section>
  )
}
