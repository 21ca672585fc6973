import { useEffect, useState } from 'preact/hooks'

/** What controls show of a video. Times in seconds of the media's own timeline. */
export interface VideoState {
  readonly paused: boolean
  readonly muted: boolean
  readonly volume: number
  readonly at: number
  /** The part that can be watched: for a live stream, from the oldest picture kept up to the live edge. */
  readonly from: number
  readonly to: number
  readonly full: boolean
  readonly inPicture: boolean
}

const events = [
  'timeupdate',
  'progress',
  'durationchange',
  'play',
  'pause',
  'seeked',
  'volumechange',
  'enterpictureinpicture',
  'leavepictureinpicture',
]

/** Follows a video element; `box` is what goes full screen. */
export function useVideoState(
  video: HTMLVideoElement | null,
  box: Element | null,
): VideoState | undefined {
  const [state, setState] = useState<VideoState | undefined>(undefined)
  useEffect(() => {
    if (!video) return
    const look = () => setState(stateOf(video, box))
    look()
    for (const name of events) video.addEventListener(name, look)
    document.addEventListener('fullscreenchange', look)
    return () => {
      for (const name of events) video.removeEventListener(name, look)
      document.removeEventListener('fullscreenchange', look)
    }
  }, [video, box])
  return state
}

function stateOf(video: HTMLVideoElement, box: Element | null): VideoState {
  const { seekable } = video
  const last = seekable.length - 1
  return {
    paused: video.paused,
    muted: video.muted || video.volume === 0,
    volume: video.volume,
    at: video.currentTime,
    from: last < 0 ? 0 : seekable.start(0),
    to: last < 0 ? video.currentTime : seekable.end(last),
    full: document.fullscreenElement !== null && document.fullscreenElement === box,
    inPicture: document.pictureInPictureElement === video,
  }
}
