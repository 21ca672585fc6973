import { useApp } from '../app/app.ts'
import { shortKey } from '../app/format.ts'
import { texts } from '../texts.ts'

/** A person by name and key: names can be anybody's. The relay's own key is said in words. */
export function Who({ pubkey }: { pubkey: string }) {
  const { profiles, info } = useApp()
  const { name } = profiles(pubkey).value
  const key = shortKey(pubkey)
  if (pubkey === info.value?.self) return <>{texts.operator.thisRelay}</>
  return (
    <>
      {name !== key && <span class="who">{name} </span>}
      <span class="muted">{key}</span>
    </>
  )
}
