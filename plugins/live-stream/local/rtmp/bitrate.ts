import type { FlvTag } from './session.ts'

const WINDOW_MS = 10_000

/** Passes tags on and calls `tooMuch` once they average more than `maxKbps` over ten seconds. */
export function bitrateGuard(
  take: (tag: FlvTag) => void,
  maxKbps: number,
  tooMuch: () => void,
): (tag: FlvTag) => void {
  let began = performance.now()
  let bytes = 0
  return tag => {
    bytes += tag.data.length
    const now = performance.now()
    if (now - began >= WINDOW_MS) {
      began = now
      bytes = tag.data.length
    } else if ((bytes * 8) / WINDOW_MS > maxKbps) return tooMuch()
    take(tag)
  }
}
