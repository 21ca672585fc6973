import { useId, useState } from 'preact/hooks'
import { texts } from '../texts.ts'

/** A value to copy; a secret one is covered until asked for. */
export function CopyField(props: {
  label: string
  value: string
  secret?: boolean
  hideLabel?: boolean
}) {
  const [shown, setShown] = useState(!props.secret)
  const [copied, setCopied] = useState(false)
  const id = useId()
  const copy = async () => {
    await copyText(props.value)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <div class="field">
      <div class="field-value">
        <label for={id} class={props.hideLabel ? 'visually-hidden' : undefined}>
          {props.label}
        </label>
        {shown ? (
          <input id={id} type="text" readonly value={props.value} />
        ) : (
          <input id={id} type="password" readonly autocomplete="off" value={props.value} />
        )}
      </div>
      {props.secret && (
        <button type="button" class="button quiet" onClick={() => setShown(!shown)}>
          {shown ? texts.app.hide : texts.app.show}
        </button>
      )}
      <button type="button" class="button quiet" onClick={copy} aria-live="polite">
        {copied ? texts.app.copied : texts.app.copy}
      </button>
    </div>
  )
}

/** Copies; where pages may not (plain http) it goes the old way through a selection. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
