/** An engine that makes nothing for so long of what lies in front of it hangs, ms. */
const HANGS_MS = 15_000
const WAITING_BYTES = 256 << 10
/** No keyframe for so long: no viewer could join such a stream, ms. */
const NO_SEGMENT_MS = 30_000

/** Whose fault it is that no media comes, and why. */
export type Trouble =
  | { readonly fault: 'engine' }
  | { readonly fault: 'publisher'; readonly cause: string }

/**
 * Notices media that has stopped although the connection stands: viewers must not pay for it. A publisher can
 * keep a socket busy without media, and an engine can hang without dying.
 */
export class Watch {
  private readonly idleMs: number
  private tagAt = 0
  private segmentAt = 0

  constructor(idleMs: number) {
    this.idleMs = idleMs
  }

  begin(): void {
    this.tagAt = this.segmentAt = performance.now()
  }

  sawTag(): void {
    this.tagAt = performance.now()
  }

  sawSegment(): void {
    this.segmentAt = performance.now()
  }

  /** `unreadBytes`: how much the engine has not taken yet. */
  trouble(unreadBytes: number): Trouble | undefined {
    const now = performance.now()
    if (now - this.tagAt > this.idleMs)
      return { fault: 'publisher', cause: 'sent no media for too long' }
    const waited = now - this.segmentAt
    if (waited > HANGS_MS && unreadBytes > WAITING_BYTES) return { fault: 'engine' }
    if (waited < NO_SEGMENT_MS) return undefined
    return {
      fault: 'publisher',
      cause: 'sent no keyframe for too long: set the keyframe interval to 2 s',
    }
  }
}
