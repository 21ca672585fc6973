import { useState } from 'preact/hooks'
import { hostApi } from '../../client/host-api.ts'
import { useApp } from '../app/app.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'
import type { StudioState } from './use-studio.ts'

const t = texts.goLive

/** Server and key for OBS; the key is covered until it is asked for, and can be changed where the relay does that. */
export function ObsPanel({ studio, rotates }: { studio: StudioState; rotates: boolean }) {
  const { origin } = useApp()
  const [busy, setBusy] = useState(false)
  const { grant, id, signer, fail } = studio
  const rotate = async () => {
    if (!id || !signer) return
    setBusy(true)
    fail(undefined)
    // The new key comes as a new 5650, to this browser as to every other of the host's.
    await hostApi(origin, signer, id).rotateKey().catch(fail)
    setBusy(false)
  }
  return (
    <section class="panel" aria-labelledby="obs">
      <h2 id="obs">{t.obs}</h2>
      {grant ? (
        <>
          <CopyField label={t.server} value={grant.ingest.rtmp.server} />
          <CopyField
            key={grant.ingest.rtmp.key}
            label={t.key}
            value={grant.ingest.rtmp.key}
            secret
          />
          <p class="hint">
            {t.obsHelp} {t.keyWarning}
          </p>
          {rotates && (
            <div class="actions">
              <button type="button" class="button small" disabled={busy} onClick={rotate}>
                {t.rotate}
              </button>
            </div>
          )}
        </>
      ) : (
        <p class="muted">{t.waitingForKey}</p>
      )}
    </section>
  )
}
