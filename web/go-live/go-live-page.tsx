import '../styles/studio.css'
import { useEffect, useState } from 'preact/hooks'
import type { Show } from '../../client/host.ts'
import { useApp } from '../app/app.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'
import { GoLiveForm } from './go-live-form.tsx'
import { MyRecordings } from './my-recordings.tsx'
import { forgetShow, rememberedShow, rememberShow } from './my-show.ts'
import { Studio } from './studio.tsx'

const t = texts.goLive

/** How to go live: with the form, which turns into the studio, or from any client. */
export function GoLivePage() {
  const { relay } = useApp()
  const [show, setShow] = useState(rememberedShow)
  useEffect(() => {
    document.title = texts.app.title(t.page)
  }, [])
  const announced = (next: Show) => {
    rememberShow(next)
    setShow(next)
  }
  const again = () => {
    forgetShow()
    setShow(undefined)
  }
  if (show) return <Studio show={show} onAgain={again} />
  return (
    <div class="go-live">
      <header class="intro">
        <h1>{t.title}</h1>
        <p>{t.lead}</p>
      </header>
      <div class="panels">
        <section class="panel" aria-labelledby="here">
          <h2 id="here">{t.here}</h2>
          <GoLiveForm onAnnounced={announced} />
        </section>
        <section class="panel" aria-labelledby="any-client">
          <h2 id="any-client">{t.anyClient}</h2>
          <ol class="steps">
            <li>
              {t.anyClientSteps[0]}
              <CopyField hideLabel label={t.relay} value={relay.url.replace(/\/$/, '')} />
            </li>
            <li>{t.anyClientSteps[1]}</li>
            <li>{t.anyClientSteps[2]}</li>
          </ol>
        </section>
      </div>
      <MyRecordings />
    </div>
  )
}
