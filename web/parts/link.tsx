import type { ComponentChildren } from 'preact'
import { useApp } from '../app/app.ts'

/** A link to another page of ours; a plain click stays in the page, every other click is the browser's. */
export function Link(props: {
  to: string
  class?: string
  label?: string
  children: ComponentChildren
}) {
  const { router } = useApp()
  const click = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return
    event.preventDefault()
    router.go(props.to)
  }
  return (
    <a class={props.class} href={props.to} aria-label={props.label} onClick={click}>
      {props.children}
    </a>
  )
}
