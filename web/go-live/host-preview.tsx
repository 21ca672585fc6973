import { useEffect, useState } from 'preact/hooks'
import { hostApi } from '../../client/host-api.ts'
import { useApp } from '../app/app.ts'
import { texts } from '../texts.ts'
import { Player } from '../watch/player.tsx'
import { atOrigin, ticketOf } from '../watch/ticket.ts'
import type { PlaybackState } from '../watch/video.ts'
import type { StudioState } from './use-studio.ts'

/** Asked for again well before it runs out. */
const RENEW_AT = 0.5
const RETRY_MS = 5_000

/** What viewers see, without sound: hosts hear themselves already. */
export function HostPreview({ studio }: { studio: StudioState }) {
  const { origin } = useApp()
  const { id, signer } = studio
  const [url, setUrl] = useState<string | undefined>(undefined)
  const [state, setState] = useState<PlaybackState>('loading')
  useEffect(() => {
    if (!id || !signer) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = async () => {
      const again = await hostApi(origin, signer, id)
        .ticket()
        .then(
          ({ playbackUrl, expiresAt }) => {
            setUrl(atOrigin(playbackUrl, origin))
            return (expiresAt * 1000 - Date.now()) * RENEW_AT
          },
          () => RETRY_MS,
        )
      timer = setTimeout(ask, Math.max(RETRY_MS, again))
    }
    void ask()
    return () => clearTimeout(timer)
  }, [origin, signer, id])

  if (!url || !id) return null
  // The player stays with the first address; what follows is only another ticket.
  const here = url.replace(/\/p\/[^/]+\//, `/p/${id}/`)
  return (
    <div class="screen">
      <Player
        url={here}
        ticket={ticketOf(url) ?? id}
        run
        muted
        onState={setState}
        onHeld={() => {}}
      />
      {state === 'interrupted' && <p class="preview-left">{texts.watch.trouble}</p>}
    </div>
  )
}
