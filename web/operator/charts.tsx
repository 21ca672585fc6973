const WIDTH = 240
const HEIGHT = 56

/** A line over time, the newest at the right; `text` says the same for who cannot see it. */
export function Sparkline({ values, text }: { values: readonly number[]; text: string }) {
  const most = Math.max(1, ...values)
  const step = WIDTH / Math.max(1, values.length - 1)
  const point = (value: number, index: number) =>
    `${(index * step).toFixed(1)},${(HEIGHT - 3 - (value / most) * (HEIGHT - 6)).toFixed(1)}`
  const points = values.map(point).join(' ')
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
      <title>{text}</title>
      {values.length > 1 && (
        <>
          <polygon points={`0,${HEIGHT} ${points} ${WIDTH},${HEIGHT}`} />
          <polyline points={points} />
        </>
      )}
    </svg>
  )
}

export interface Bar {
  readonly name: string
  readonly value: number
  readonly text: string
}

/** Bars that are compared with each other. */
export function Bars({ rows }: { rows: readonly Bar[] }) {
  const most = Math.max(...rows.map(({ value }) => value), Number.MIN_VALUE)
  return (
    <ul class="bars">
      {rows.map(({ name, value, text }) => (
        <li key={name}>
          <span class="bar-name">{name}</span>
          <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect width={Math.max(0.5, (value / most) * 100)} height="10" rx="2" />
          </svg>
          <span class="bar-text">{text}</span>
        </li>
      ))}
    </ul>
  )
}
