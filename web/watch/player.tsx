import { useEffect, useRef, useState } from 'preact/hooks'
import { texts } from '../texts.ts'
import { openPlayback } from './playback.ts'
import type { Playback, PlaybackState } from './video.ts'

interface PlayerProps {
  /** A playback URL of the relay; its ticket is replaced by `ticket`. */
  url: string
  ticket: string
  /** Whether it should play now. */
  run: boolean
  poster?: string
  onState: (state: PlaybackState) => void
  onHeld: (held: boolean) => void
}

/** The video, its quality and its sound. A new ticket is taken without interrupting what plays. */
export function Player({ url, ticket, run, poster, onState, onHeld }: PlayerProps) {
  const video = useRef<HTMLVideoElement>(null)
  const [playback, setPlayback] = useState<Playback | undefined>(undefined)
  const [heights, setHeights] = useState<readonly number[]>([])
  const [muted, setMuted] = useState(false)
  // Controls over a picture that is not there yet would only be in the way.
  const [shown, setShown] = useState(false)

  useEffect(() => {
    const element = video.current
    if (!element) return
    let opened: Playback | undefined
    let gone = false
    const events = { onState, onHeld, onQualities: setHeights, onMuted: () => setMuted(true) }
    openPlayback(element, url, events).then(
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
  }, [url])

  useEffect(() => playback?.use(ticket), [playback, ticket])
  useEffect(() => {
    if (run) playback?.start()
    else playback?.stop()
  }, [playback, run])

  const unmute = () => {
    if (video.current) video.current.muted = false
    setMuted(false)
  }
  return (
    <div class="player">
      {/* biome-ignore lint/a11y/useMediaCaption: live video has no captions of its own */}
      <video
        ref={video}
        controls={shown}
        playsInline
        poster={poster}
        onPlaying={() => setShown(true)}
      />
      {muted && run && (
        <button type="button" class="button unmute" onClick={unmute}>
          {texts.watch.unmute}
        </button>
      )}
      {heights.length > 1 && run && (
        <Quality heights={heights} onChange={index => playback?.setQuality(index)} />
      )}
    </div>
  )
}

function Quality(props: { heights: readonly number[]; onChange: (index: number) => void }) {
  return (
    <label class="quality">
      <span class="visually-hidden">{texts.watch.quality}</span>
      <select onChange={event => props.onChange(Number(event.currentTarget.value))}>
        <option value="-1">{texts.watch.auto}</option>
        {props.heights.map((height, index) => (
          <option key={height} value={index}>
            {height}p
          </option>
        ))}
      </select>
    </label>
  )
}
