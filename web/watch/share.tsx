import { useRef } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { embedPath, naddrOf, watchPath } from '../app/format.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'

const t = texts.share

/** The ways to pass a stream on: its link, its address for other clients, and code for another page. */
export function Share({ stream }: { stream: Stream }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const here = (path: string) => new URL(path, location.href).href
  const naddr = naddrOf(stream.address)
  const player = `<script src="${here('/sluice-player.js')}" async></script>\n<sluice-player stream="${naddr}"></sluice-player>`
  const frame = `<iframe src="${here(embedPath(stream.address))}" width="640" height="360" allow="fullscreen; picture-in-picture; autoplay"></iframe>`
  return (
    <>
      <button type="button" class="button quiet" onClick={() => dialog.current?.showModal()}>
        {t.share}
      </button>
      <dialog ref={dialog} class="dialog" aria-labelledby="share-title">
        <form method="dialog" class="dialog-head">
          <h2 id="share-title">{t.title}</h2>
          <button type="submit" class="button quiet">
            {texts.app.close}
          </button>
        </form>
        <CopyField label={t.link} value={here(watchPath(stream.address))} />
        <CopyField label={t.naddr} value={`nostr:${naddr}`} />
        <CopyField label={t.player} value={player} />
        <CopyField label={t.frame} value={frame} />
        <p class="hint">{t.embedHelp}</p>
      </dialog>
    </>
  )
}
