import * as nip19 from 'nostr-tools/nip19'
import type { PaymentRail } from '../../client/relay-info.ts'
import { useApp } from '../app/app.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'

const t = texts.topUp

/** How the balance in an asset grows, by the rails that this relay says it has (NIP-11). */
export function TopUp({ asset }: { asset: string }) {
  const { info } = useApp()
  const rails = info.value?.rails.filter(rail => rail.asset === asset) ?? []
  if (rails.length === 0) return null
  return (
    <details class="top-up">
      <summary>{t.title}</summary>
      {rails.map(rail => (
        <Rail key={rail.id} rail={rail} />
      ))}
    </details>
  )
}

function Rail({ rail }: { rail: PaymentRail }) {
  const { identity, info } = useApp()
  const pubkey = identity.pubkey.value
  const contact = info.value?.contact ?? ''
  if (rail.id === 'credit')
    return (
      <div class="stack">
        <p>{t.credit}</p>
        {pubkey && <CopyField label={t.yourKey} value={nip19.npubEncode(pubkey)} />}
        {contact !== '' && <Contact contact={contact} />}
        {!rail.redeemable && <p class="hint">{t.notRedeemable}</p>}
      </div>
    )
  return <p>{t.other(rail.id, rail.asset)}</p>
}

/** As the operator wrote it: a link where it is one. */
function Contact({ contact }: { contact: string }) {
  const url = contact.includes('@') && !contact.includes(':') ? `mailto:${contact}` : contact
  const isLink = /^(mailto:|https:\/\/)/.test(url)
  return (
    <p>
      {t.operator} {isLink ? <a href={url}>{contact}</a> : <span class="break">{contact}</span>}
    </p>
  )
}
