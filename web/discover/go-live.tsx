import { useState } from 'preact/hooks'
import type { Show } from '../../client/host.ts'
import { useApp } from '../app/app.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'
import { GoLiveForm } from './go-live-form.tsx'
import { forgetShow, rememberedShow, rememberShow } from './my-show.ts'
import { ObsPanel } from './obs-panel.tsx'

const t = texts.goLive

/** How to go live: from any client, or with the form, which turns into the OBS details. */
export function GoLive() {
  const { relay } = useApp()
  const [show, setShow] = useState(rememberedShow)
  const announced = (next: Show) => {
    rememberShow(next)
    setShow(next)
  }
  const again = () => {
    forgetShow()
    setShow(undefined)
  }
  return (
    <section id="go-live" class="go-live" aria-labelledby="go-live-title">
      <h2 id="go-live-title">{t.title}</h2>
      <div class="panels">
        <div class="panel">
          <h3>{show ? t.ready : t.here}</h3>
          {show ? <ObsPanel show={show} onAgain={again} /> : <GoLiveForm onAnnounced={announced} />}
        </div>
        <div class="panel">
          <h3>{t.anyClient}</h3>
          <ol class="steps">
            <li>
              {t.anyClientSteps[0]}
              <CopyField hideLabel label={t.relay} value={relay.url.replace(/\/$/, '')} />
            </li>
            <li>{t.anyClientSteps[1]}</li>
            <li>{t.anyClientSteps[2]}</li>
          </ol>
        </div>
      </div>
    </section>
  )
}
