import type { Deeds } from './controls.tsx'
import type { Playback } from './video.ts'

const STEP_SECONDS = 10
const STEP_VOLUME = 0.1

/**
 * What controls and keys do to a video; `box` is what goes full screen, `captions` switches them; a
 * recording has no `live` edge to keep up with.
 */
export function deedsOn(
  video: HTMLVideoElement,
  box: Element | null,
  live: Pick<Playback, 'lag' | 'toLive'> | undefined,
  captions: () => void,
): Deeds {
  return {
    toggle() {
      if (video.paused) void video.play().catch(() => {})
      else video.pause()
    },
    mute() {
      video.muted = !video.muted
    },
    volume(to) {
      video.volume = Math.min(1, Math.max(0, to))
      video.muted = video.volume === 0
    },
    seek(to) {
      live?.lag(true)
      video.currentTime = to
    },
    toLive() {
      if (!live) return
      live.lag(false)
      live.toLive()
      void video.play().catch(() => {})
    },
    full() {
      if (document.fullscreenElement) void document.exitFullscreen()
      else if (box?.requestFullscreen) void box.requestFullscreen().catch(() => {})
      // An iPhone shows only the video itself in full.
      else (video as { webkitEnterFullscreen?: () => void }).webkitEnterFullscreen?.()
    },
    picture() {
      const done = document.pictureInPictureElement
        ? document.exitPictureInPicture()
        : video.requestPictureInPicture()
      done.catch(() => {})
    },
    captions,
  }
}

/** The keys that players have everywhere; true when the key meant something. */
export function pressed(key: string, video: HTMLVideoElement, deeds: Deeds): boolean {
  const keys: Record<string, () => void> = {
    ' ': deeds.toggle,
    k: deeds.toggle,
    m: deeds.mute,
    f: deeds.full,
    p: deeds.picture,
    c: deeds.captions,
    l: deeds.toLive,
    ArrowLeft: () => deeds.seek(Math.max(0, video.currentTime - STEP_SECONDS)),
    ArrowRight: () => deeds.seek(video.currentTime + STEP_SECONDS),
    ArrowUp: () => deeds.volume(video.volume + STEP_VOLUME),
    ArrowDown: () => deeds.volume(video.volume - STEP_VOLUME),
  }
  const deed = keys[key]
  deed?.()
  return deed !== undefined
}
