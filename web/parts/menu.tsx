import type { ComponentChildren } from 'preact'
import { Icon, type IconName } from './icon.tsx'

/** A button that opens a few choices; it closes when one is taken, by Escape, and when the focus goes elsewhere. */
export function Menu(props: {
  name: string
  icon: IconName
  on?: boolean
  children: ComponentChildren
}) {
  return (
    <details class="menu" onBlur={closeWhenLeft} onKeyDown={closeByEscape}>
      <summary aria-label={props.name} title={props.name} data-on={props.on}>
        <Icon name={props.icon} />
      </summary>
      {/* biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useKeyWithClickEvents: closes after its buttons' own clicks, those by key included */}
      <div class="menu-items" onClick={event => close(event.currentTarget)}>
        {props.children}
      </div>
    </details>
  )
}

const close = (within: Element): void => within.closest('details')?.removeAttribute('open')

function closeWhenLeft(event: FocusEvent): void {
  const menu = event.currentTarget as HTMLDetailsElement
  if (!(event.relatedTarget instanceof Node) || !menu.contains(event.relatedTarget)) close(menu)
}

function closeByEscape(event: KeyboardEvent): void {
  if (event.key !== 'Escape') return
  const menu = event.currentTarget as HTMLDetailsElement
  close(menu)
  menu.querySelector('summary')?.focus()
}
