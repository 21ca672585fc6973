import type { ComponentChildren } from 'preact'

/** A form's value under one name; `change` gets the new text. */
interface FieldProps {
  label: string
  value: string
  change: (value: string) => void
}

export function TextField(
  props: FieldProps & {
    placeholder?: string
    required?: boolean
    numeric?: boolean
    type?: 'text' | 'url' | 'datetime-local'
    maxLength?: number
  },
) {
  const { label, value, change, numeric, type, placeholder, required, maxLength } = props
  return (
    <label>
      <span>{label}</span>
      <input
        {...({ type } as { type: 'text' })}
        placeholder={placeholder}
        required={required}
        maxLength={maxLength}
        inputMode={numeric ? 'numeric' : undefined}
        value={value}
        onInput={event => change(event.currentTarget.value)}
      />
    </label>
  )
}

export function LongField({ label, value, change, rows = 3 }: FieldProps & { rows?: number }) {
  return (
    <label>
      <span>{label}</span>
      <textarea
        rows={rows}
        maxLength={2000}
        value={value}
        onInput={event => change(event.currentTarget.value)}
      />
    </label>
  )
}

export function ChoiceField(props: FieldProps & { children: ComponentChildren }) {
  const { label, value, change, children } = props
  return (
    <label>
      <span>{label}</span>
      <select value={value} onChange={event => change(event.currentTarget.value)}>
        {children}
      </select>
    </label>
  )
}
