import { useApp } from '../app/app.ts'

/** A person's picture, or a coloured letter where there is none. */
export function Avatar({ pubkey }: { pubkey: string }) {
  const { picture, name } = useApp().profiles(pubkey).value
  return picture ? (
    <img class="avatar" src={picture} alt="" loading="lazy" referrerpolicy="no-referrer" />
  ) : (
    <span class={`avatar tint-${tint(pubkey)}`} aria-hidden="true">
      {(name.startsWith('npub1') ? name.slice(5, 6) : [...name][0])?.toUpperCase()}
    </span>
  )
}

export function Name({ pubkey }: { pubkey: string }) {
  return <>{useApp().profiles(pubkey).value.name}</>
}

/** One of eight colours, the same for a key wherever it is shown. */
export const tint = (pubkey: string): number => Number.parseInt(pubkey.slice(0, 2), 16) % 8
