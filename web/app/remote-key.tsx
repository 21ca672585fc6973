import { useRef, useState } from 'preact/hooks'
import { sentenceOf } from '../../client/errors.ts'
import type { RemoteSigner } from '../../client/remote-signer.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { useApp } from './app.ts'

const t = texts.account

/** Signing with a key that lives elsewhere (NIP-46): by a bunker address, or by letting an app open ours. */
export function RemoteKey() {
  const { relay, identity } = useApp()
  const [address, setAddress] = useState('')
  const [uri, setUri] = useState('')
  const [problem, setProblem] = useState('')
  const [page, setPage] = useState('')
  const [busy, setBusy] = useState(false)
  const cancel = useRef<() => void>(() => {})

  async function pair(begin: (kind: typeof RemoteSigner) => Promise<RemoteSigner>) {
    cancel.current()
    setBusy(true)
    setProblem('')
    try {
      const library = await import('../../client/remote-signer.ts')
      await identity.useRemote(await begin(library.RemoteSigner))
      setAddress('')
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setBusy(false)
      setUri('')
      setPage('')
    }
  }
  const byBunker = (event: Event) => {
    event.preventDefault()
    void pair(kind => kind.bunker(address, { onAuthUrl: setPage }))
  }
  const byApp = () =>
    void pair(async kind => {
      const label = { name: texts.app.name, url: location.origin }
      const waiting = kind.nostrConnect([relay.url], label, { onAuthUrl: setPage })
      cancel.current = waiting.cancel
      setUri(await waiting.uri)
      return waiting.signer
    })

  return (
    <details>
      <summary>{t.remote}</summary>
      <div class="stack">
        <form class="field" onSubmit={byBunker}>
          <label>
            <span>{t.bunker}</span>
            <input
              autocomplete="off"
              spellcheck={false}
              placeholder="bunker://…"
              value={address}
              onInput={event => setAddress(event.currentTarget.value)}
            />
          </label>
          <button type="submit" class="button" disabled={busy || address.trim() === ''}>
            {t.connect}
          </button>
        </form>
        {uri ? (
          <>
            <CopyField label={t.connectAddress} value={uri} />
            <a class="button primary" href={uri}>
              {t.openApp}
            </a>
            <p class="hint" role="status">
              {t.connectHelp}
            </p>
          </>
        ) : (
          <button type="button" class="button" disabled={busy} onClick={byApp}>
            {t.letIn}
          </button>
        )}
        {page && /^https:/.test(page) && (
          <a class="button primary" href={page} target="_blank" rel="noreferrer noopener">
            {t.authPage}
          </a>
        )}
        {busy && !uri && <p class="hint">{t.connecting}</p>}
        <Problem text={problem} />
      </div>
    </details>
  )
}
