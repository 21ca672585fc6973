import * as nip19 from 'nostr-tools/nip19'
import type { ComponentType } from 'preact'
import type { PaymentRail } from '../../client/relay-info.ts'
import { useApp } from '../app/app.ts'
import { assetName } from '../app/format.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { texts } from '../texts.ts'

const t = texts.topUp

/** What the rails that these pages speak look like; another rail is one more here. */
const ways: Readonly<Record<string, ComponentType<{ rail: PaymentRail }>>> = { credit: Credit }

/** How the balance in an asset grows, by the rails that this relay says it has (NIP-11); a sentence where these pages know none of them. */
export function TopUp({ asset }: { asset: string }) {
  const { info } = useApp()
  if (!info.value) return null
  const rails = info.value.rails.filter(rail => rail.asset === asset)
  return (
    <details class="top-up">
      <summary>{t.title}</summary>
      {rails.length === 0 && <p>{t.none(assetName(asset))}</p>}
      {rails.map(rail => {
        const Way = Object.hasOwn(ways, rail.id) ? ways[rail.id] : undefined
        return Way ? (
          <Way key={rail.id} rail={rail} />
        ) : (
          <p key={rail.id}>{t.other(rail.id, assetName(asset))}</p>
        )
      })}
    </details>
  )
}

/** Prepaid credit, which the operator gives. */
function Credit({ rail }: { rail: PaymentRail }) {
  const { identity, info } = useApp()
  const pubkey = identity.pubkey.value
  const contact = info.value?.contact ?? ''
  return (
    <div class="stack">
      <p>{t.credit}</p>
      {pubkey && <CopyField label={t.yourKey} value={nip19.npubEncode(pubkey)} />}
      {contact !== '' && <Contact contact={contact} />}
      {!rail.redeemable && <p class="hint">{t.notRedeemable}</p>}
    </div>
  )
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
