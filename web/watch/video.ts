/**
 * loading: nothing to see yet, or the buffer ran dry. unpaid: the gateway answers 402 or 401, nothing more is asked
 * for. withheld and gone: a recording that is its host's alone, or is not here any more. interrupted: the network or the
 * relay is away, tried again by itself. unplayable: not in this browser.
 */
export type PlaybackState =
  | 'loading'
  | 'playing'
  | 'unpaid'
  | 'too-many'
  | 'withheld'
  | 'gone'
  | 'interrupted'
  | 'unplayable'

/** What the gateway's status says for good; undefined for anything that may be tried again. */
export function haltFor(status: number | undefined, live: boolean): PlaybackState | undefined {
  if (status === 402 || status === 401) return 'unpaid'
  if (status === 429) return 'too-many'
  // Live media is missing until it begins.
  if (live) return undefined
  if (status === 403) return 'withheld'
  return status === 404 || status === 410 ? 'gone' : undefined
}

export interface PlaybackEvents {
  onState(state: PlaybackState): void
  /** Heights of the renditions, in the player's order. */
  onQualities(heights: readonly number[]): void
  /** The browser plays only without sound until the person does something. */
  onMuted(): void
  /** The person paused the video (true), or lets it go on. */
  onHeld(held: boolean): void
}

/** A player on a video element, for one stream. */
export interface Playback {
  /** From now on every request goes under this ticket; what plays goes on playing. */
  use(ticket: string): void
  /** Plays from the live edge. */
  start(): void
  /** Stops the video and every request. */
  stop(): void
  /** An index of `onQualities`, or -1 to choose by itself. */
  setQuality(index: number): void
  /** True: the person watches behind the live edge, and is left there. False: the edge is kept up with. */
  lag(behind: boolean): void
  toLive(): void
  close(): void
}

/** Reports what the video element does; gives the function that ends that. */
export function follow(
  video: HTMLVideoElement,
  events: PlaybackEvents,
  running: () => boolean,
): () => void {
  const playing = () => running() && events.onState('playing')
  const waiting = () => running() && events.onState('loading')
  const paused = () => running() && events.onHeld(true)
  const resumed = () => running() && events.onHeld(false)
  const listeners = { playing, waiting, pause: paused, play: resumed }
  for (const [name, listener] of Object.entries(listeners)) video.addEventListener(name, listener)
  return () => {
    for (const [name, listener] of Object.entries(listeners))
      video.removeEventListener(name, listener)
  }
}

/** Plays with sound where the browser allows it, else without. */
export async function play(video: HTMLVideoElement, events: PlaybackEvents): Promise<void> {
  try {
    await video.play()
  } catch (error) {
    // AbortError: a newer load took over. Only a refusal is answered with silence.
    if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return
    video.muted = true
    events.onMuted()
    await video.play().catch(() => {})
  }
}
