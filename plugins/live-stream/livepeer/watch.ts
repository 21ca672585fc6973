import type { Clock } from '../../plugin.ts'
import type { MediaEvent } from '../backend.ts'

/** How often a stream is looked at: until it is live, while it is, and when none has come for a while; ms. */
const WAITING_MS = 700
const LIVE_MS = 2000
const PATIENT_MS = 5000
const PATIENT_AFTER_MS = 60_000

interface Watched {
  readonly startedAt: number
  timer: NodeJS.Timeout | undefined
  live: boolean
  /** Unix ms at which new media was last seen. */
  mediaAt: number | undefined
  stopped: boolean
}

/**
 * Follows the media of the streams that the provider calls active, by what can be played: viewers pay while new media
 * comes, and the provider says `active` for a minute longer than that.
 */
export function mediaWatch(options: {
  clock: Clock
  stallMs: number
  /** True when there is new media since the last question; may throw. */
  advanced(id: string): Promise<boolean>
  onEvent(event: MediaEvent): void
}) {
  const { clock, stallMs, onEvent } = options
  const watched = new Map<string, Watched>()

  function start(id: string): void {
    if (watched.has(id)) return
    const one: Watched = {
      startedAt: clock.now(),
      timer: undefined,
      live: false,
      mediaAt: undefined,
      stopped: false,
    }
    watched.set(id, one)
    look(id, one)
  }

  function look(id: string, one: Watched): void {
    options
      .advanced(id)
      .catch(() => false)
      .then(moved => {
        if (one.stopped) return
        follow(id, one, moved)
        const now = clock.now()
        const patient = now - (one.mediaAt ?? one.startedAt) > PATIENT_AFTER_MS
        const wait = one.live ? LIVE_MS : patient ? PATIENT_MS : WAITING_MS
        one.timer = setTimeout(() => look(id, one), wait)
      })
  }

  function follow(id: string, one: Watched, moved: boolean): void {
    const now = clock.now()
    if (moved) {
      one.mediaAt = now
      onEvent({ type: one.live ? 'progress' : 'live', id, at: now })
      one.live = true
    } else if (one.live && now - (one.mediaAt ?? 0) > stallMs) {
      one.live = false
      const cause = 'the media provider delivers no new media'
      onEvent({ type: 'idle', id, at: one.mediaAt ?? now, cause })
    }
  }

  function stop(id: string): void {
    const one = watched.get(id)
    if (!one) return
    one.stopped = true
    clearTimeout(one.timer)
    watched.delete(id)
  }

  return {
    start,
    /** Looks no more; says nothing. */
    stop,
    watches: (id: string): boolean => watched.has(id),
    /** Unix ms at which new media was last seen, while the stream is watched. */
    mediaAt: (id: string): number | undefined => watched.get(id)?.mediaAt,
    close(): void {
      for (const id of [...watched.keys()]) stop(id)
    },
  }
}
export type MediaWatch = ReturnType<typeof mediaWatch>
