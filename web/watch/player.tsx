import { useEffect, useRef, useState } from 'preact/hooks'
import { texts } from '../texts.ts'
import { Controls } from './controls.tsx'
import { deedsOn, pressed } from './deeds.ts'
import { openPlayback } from './playback.ts'
import { useCaptions } from './use-captions.ts'
import { useVideoState } from './use-video-state.ts'
import type { Playback, PlaybackState } from './video.ts'

interface PlayerProps {
  /** A playback URL of the relay; its ticket is replaced by `ticket`. */
  url: string
  ticket: string
  /** Whether it should play now. */
  run: boolean
  /** False for a recording. */
  live?: boolean
  /** Begins without sound. */
  muted?: boolean
  poster?: string
  onState: (state: PlaybackState) => void
  onHeld: (held: boolean) => void
}

const IDLE_MS = 2_800

/** The video and its controls. A new ticket is taken without interrupting what plays. */
export function Player(props: PlayerProps) {
  const { url, ticket, run, live = true, poster, onState, onHeld } = props
  const [video, setVideo] = useState<HTMLVideoElement | null>(null)
  const box = useRef<HTMLElement>(null)
  const [playback, setPlayback] = useState<Playback | undefined>(undefined)
  const [heights, setHeights] = useState<readonly number[]>([])
  const [quality, setQuality] = useState(-1)
  const [silenced, setSilenced] = useState(false)
  // Controls over a picture that is not there yet would only be in the way.
  const [shown, setShown] = useState(false)
  const [idle, wake] = useIdle()
  const state = useVideoState(video, box.current)
  const captions = useCaptions(video)

  useEffect(() => {
    if (!video) return
    let opened: Playback | undefined
    let gone = false
    const events = { onState, onHeld, onQualities: setHeights, onMuted: () => setSilenced(true) }
    openPlayback(video, url, events, live).then(
      found => {
        opened = found
        if (gone) found.close()
        else setPlayback(found)
      },
      () => onState('unplayable'),
    )
    return () => {
      gone = true
      opened?.close()
    }
  }, [video, url])

  useEffect(() => playback?.use(ticket), [playback, ticket])
  useEffect(() => {
    if (run) playback?.start()
    else playback?.stop()
  }, [playback, run])

  const deeds = video && deedsOn(video, box.current, live ? playback : undefined, captions.toggle)
  const choose = (index: number) => {
    setQuality(index)
    playback?.setQuality(index)
  }
  const keyed = (event: KeyboardEvent) => {
    wake()
    const own =
      event.target instanceof Element && event.target.closest('input, select, button, summary')
    if (own || !video || !deeds || event.ctrlKey || event.metaKey || event.altKey) return
    if (pressed(event.key, video, deeds)) event.preventDefault()
  }
  const resting = idle && run && state !== undefined && !state.paused
  return (
    <section
      ref={box}
      class="player"
      data-resting={resting}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move the video while it has the focus
      tabIndex={0}
      aria-label={texts.player.label}
      onKeyDown={keyed}
      onPointerMove={wake}
      onPointerDown={wake}
      onFocusCapture={wake}
    >
      <video
        ref={setVideo}
        muted={props.muted}
        playsInline
        poster={poster}
        onPlaying={() => setShown(true)}
        onClick={() => deeds?.toggle()}
      />
      {silenced && run && state?.muted && (
        <button
          type="button"
          class="button unmute"
          onClick={() => {
            deeds?.mute()
            setSilenced(false)
          }}
        >
          {texts.player.tapForSound}
        </button>
      )}
      {shown && run && state && deeds && (
        <Controls
          state={state}
          live={live}
          heights={heights}
          quality={quality}
          captions={captions}
          onQuality={choose}
          do={deeds}
        />
      )}
    </section>
  )
}

/** True when nobody has moved for a moment, and what says that somebody did. */
function useIdle(): [boolean, () => void] {
  const [idle, setIdle] = useState(true)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return [
    idle,
    () => {
      setIdle(false)
      clearTimeout(timer.current)
      timer.current = setTimeout(() => setIdle(true), IDLE_MS)
    },
  ]
}
