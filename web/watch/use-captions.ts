import { useEffect, useRef, useState } from 'preact/hooks'
import { keep } from '../app/storage.ts'

/** Captions and subtitles of a video, as a person chooses among them. */
export interface Captions {
  readonly names: readonly string[]
  /** Index of what is shown, or -1. */
  readonly on: number
  /** An index of `names`, or -1 for none; remembered for the next video. */
  choose(index: number): void
  /** Off, or what was on last. */
  toggle(): void
}

const KEY = 'sluice.captions'
const OFF = 'off'
const kept = keep()

/** By its language, else by its name: tracks of another stream are other ones. */
const keyOf = ({ language, label }: TextTrack): string => language || label

const tracksOf = (video: HTMLVideoElement | null): TextTrack[] =>
  [...(video?.textTracks ?? [])].filter(({ kind }) => kind === 'captions' || kind === 'subtitles')

/** Shows it or not, as was chosen last time; where nothing was, the media has its way. */
function apply(track: TextTrack): void {
  const wanted = kept.getItem(KEY)
  if (wanted !== null) track.mode = keyOf(track) === wanted ? 'showing' : 'disabled'
}

/** Follows the tracks of a video, and shows the one that was chosen last time as soon as it is there. */
export function useCaptions(video: HTMLVideoElement | null): Captions {
  const [, again] = useState(0)
  const last = useRef(-1)
  useEffect(() => {
    if (!video) return
    const { textTracks } = video
    const changed = () => {
      const showing = tracksOf(video).filter(({ mode }) => mode === 'showing')
      // Chrome adds one in its own language to the one that was chosen.
      if (showing.length > 1) for (const track of showing) apply(track)
      again(count => count + 1)
    }
    const added = ({ track }: TrackEvent) => {
      if (track && tracksOf(video).includes(track)) apply(track)
      changed()
    }
    textTracks.addEventListener('addtrack', added)
    textTracks.addEventListener('removetrack', changed)
    textTracks.addEventListener('change', changed)
    return () => {
      textTracks.removeEventListener('addtrack', added)
      textTracks.removeEventListener('removetrack', changed)
      textTracks.removeEventListener('change', changed)
    }
  }, [video])

  const tracks = tracksOf(video)
  const on = tracks.findIndex(({ mode }) => mode === 'showing')
  if (on >= 0) last.current = on
  const choose = (index: number) => {
    const chosen = tracks[index]
    kept.setItem(KEY, chosen ? keyOf(chosen) : OFF)
    for (const track of tracks) track.mode = track === chosen ? 'showing' : 'disabled'
  }
  return {
    names: tracks.map(({ label, language }) => label || language),
    on,
    choose,
    toggle: () => choose(on >= 0 ? -1 : Math.max(0, Math.min(last.current, tracks.length - 1))),
  }
}
