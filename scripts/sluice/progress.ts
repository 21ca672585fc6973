/** Where progress is shown; process.stderr fits. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const BAR = 24
const REDRAW_MS = 100
const LINE_MS = 5000

/**
 * Shows how far a long work is: a bar that redraws itself on a terminal, a line every five seconds elsewhere.
 * Without a total (`share` undefined) it counts. Call `end` before anything else is printed.
 *
 * @example
 * const bar = progress('import')
 * bar.update(12_000, 0.4) // import  [#########...............]  40%  12,000  9,800/s
 * bar.end()
 */
export function progress(
  name: string,
  stream: ProgressStream = process.stderr,
  clock: { now(): number } = { now: () => performance.now() },
) {
  const began = clock.now()
  let shown = began
  let drawn = false

  const clear = () => {
    if (drawn) stream.write('\r\x1b[K')
    drawn = false
  }

  function text(count: number, share: number | undefined): string {
    const seconds = (clock.now() - began) / 1000
    const rate = seconds > 0 ? Math.round(count / seconds) : 0
    const left = share && share < 1 ? `  ${duration((seconds / share) * (1 - share))} left` : ''
    const percent = share === undefined ? '' : `${String(Math.floor(share * 100)).padStart(3)}%  `
    return `${percent}${thousands(count)}  ${thousands(rate)}/s${left}`
  }

  return {
    /** `count` is what was worked through so far, `share` of the whole from 0 to 1 where that is known. */
    update(count: number, share?: number): void {
      const now = clock.now()
      if (now - shown < (stream.isTTY ? REDRAW_MS : LINE_MS)) return
      shown = now
      if (!stream.isTTY) return void stream.write(`${name}: ${text(count, share).trim()}\n`)
      const filled = Math.round(Math.min(1, share ?? 0) * BAR)
      const bar = share === undefined ? '' : `[${'#'.repeat(filled).padEnd(BAR, '.')}] `
      const line = `${name}  ${bar}${text(count, share)}`
      stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`)
      drawn = true
    },
    /** Prints a line of its own without tearing the bar. */
    note(line: string): void {
      clear()
      stream.write(`${line}\n`)
    },
    end: clear,
  }
}

/** 1234567 as 1,234,567. */
export const thousands = (value: number): string => value.toLocaleString('en-US')

function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  const minutes = Math.floor(whole / 60)
  return minutes > 0 ? `${minutes}m${String(whole % 60).padStart(2, '0')}s` : `${whole}s`
}
