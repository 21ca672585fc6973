import { useState } from 'preact/hooks'
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
  const copy = async () => {
    await copyText(props.value)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <div class="field">
      <label>
        <span class={props.hideLabel ? 'visually-hidden' : undefined}>{props.label}</span>
        {shown ? (
          <input type="text" readonly value={props.value} />
        ) : (
          <input type="password" readonly autocomplete="off" value={props.value} />
        )}
      </label>
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
