import * as nip19 from 'nostr-tools/nip19'
import { useRef, useState } from 'preact/hooks'
import { CopyField } from '../parts/copy-field.tsx'
import { Avatar, Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import { useApp } from './app.ts'
import { RemoteKey } from './remote-key.tsx'

/** The button at the top that says who one is, and the dialog behind it. */
export function Account() {
  const { identity } = useApp()
  const dialog = useRef<HTMLDialogElement>(null)
  const pubkey = identity.pubkey.value
  return (
    <>
      <button type="button" class="account" onClick={() => dialog.current?.showModal()}>
        {pubkey ? (
          <>
            <Avatar pubkey={pubkey} />
            <span class="account-name">
              <Name pubkey={pubkey} />
            </span>
          </>
        ) : (
          texts.account.signIn
        )}
      </button>
      <dialog ref={dialog} class="dialog" aria-labelledby="account-title">
        <form method="dialog" class="dialog-head">
          <h2 id="account-title">{texts.account.title}</h2>
          <button type="submit" class="button quiet">
            {texts.app.close}
          </button>
        </form>
        <Key />
        <Choices />
      </dialog>
    </>
  )
}

function Key() {
  const { identity } = useApp()
  const pubkey = identity.pubkey.value
  const secret = identity.exportKey()
  if (!pubkey) return <p class="muted">{texts.account.none}</p>
  const remote = identity.signer.value?.type === 'nip46'
  const where = remote ? texts.account.isRemote : texts.account.extension
  return (
    <>
      <p class="muted">{secret ? texts.account.local : where}</p>
      <CopyField label={texts.account.npub} value={nip19.npubEncode(pubkey)} />
      {secret && (
        <>
          <CopyField key={secret} label={texts.account.nsec} value={secret} secret />
          <p class="hint">{texts.account.nsecWarning}</p>
        </>
      )}
    </>
  )
}

function Choices() {
  const { identity } = useApp()
  const [nsec, setNsec] = useState('')
  const [bad, setBad] = useState(false)
  const type = identity.signer.value?.type
  const use = async (event: Event) => {
    event.preventDefault()
    const worked = await identity.importKey(nsec)
    setBad(!worked)
    if (worked) setNsec('')
  }
  return (
    <div class="choices">
      {type !== 'nip07' && identity.hasExtension() && (
        <button
          type="button"
          class="button"
          onClick={() => identity.choose('nip07').catch(() => {})}
        >
          {texts.account.useExtension}
        </button>
      )}
      {type !== undefined && type !== 'local' && (
        <button type="button" class="button" onClick={() => identity.choose('local')}>
          {texts.account.useLocal}
        </button>
      )}
      <RemoteKey />
      <details>
        <summary>{texts.account.import}</summary>
        <form class="field" onSubmit={use}>
          <label>
            <span>{texts.account.importLabel}</span>
            <input
              type="password"
              autocomplete="off"
              value={nsec}
              onInput={event => setNsec(event.currentTarget.value)}
            />
          </label>
          <button type="submit" class="button">
            {texts.account.importDo}
          </button>
        </form>
        {bad && <p class="problem">{texts.account.importBad}</p>}
      </details>
    </div>
  )
}
