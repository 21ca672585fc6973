import { duration } from '../app/format.ts'
import { Icon, type IconName } from '../parts/icon.tsx'
import { Menu } from '../parts/menu.tsx'
import { texts } from '../texts.ts'
import type { Captions } from './use-captions.ts'
import type { VideoState } from './use-video-state.ts'

const t = texts.player
/** Closer to the edge than this (s) is live: a player stays a few segments behind. */
const LIVE_WITHIN = 14

export interface ControlsProps {
  state: VideoState
  /** A live stream has an edge to go back to; a recording has a length. */
  live: boolean
  heights: readonly number[]
  quality: number
  onQuality: (index: number) => void
  captions: Captions
  do: Deeds
}

/** What a person can do to the video, by button or key. */
export interface Deeds {
  toggle(): void
  mute(): void
  volume(to: number): void
  seek(to: number): void
  toLive(): void
  full(): void
  picture(): void
  captions(): void
}

export const isAtEdge = ({ at, to }: VideoState): boolean => to - at < LIVE_WITHIN

/** The bar below the picture. */
export function Controls(props: ControlsProps) {
  const { state, live, heights, quality, onQuality, captions, do: deeds } = props
  const atEdge = isAtEdge(state)
  return (
    <div class="controls">
      <Seek state={state} live={live} onSeek={deeds.seek} />
      <div class="controls-row">
        <Control
          name={state.paused ? t.play : t.pause}
          icon={state.paused ? 'play' : 'pause'}
          onClick={deeds.toggle}
        />
        <div class="volume">
          <Control
            name={state.muted ? t.unmute : t.mute}
            icon={state.muted ? 'muted' : 'sound'}
            onClick={deeds.mute}
          />
          <input
            type="range"
            min="0"
            max="100"
            aria-label={t.volume}
            value={Math.round(state.muted ? 0 : state.volume * 100)}
            onInput={event => deeds.volume(Number(event.currentTarget.value) / 100)}
          />
        </div>
        {live ? (
          <button
            type="button"
            class="live-button"
            data-on={atEdge}
            aria-label={atEdge ? t.atLive : t.toLive}
            onClick={deeds.toLive}
          >
            <span class="dot" />
            {atEdge ? t.live : `-${duration(state.to - state.at)}`}
          </button>
        ) : (
          <span class="clock">
            {duration(state.at)} / {duration(state.to)}
          </span>
        )}
        <span class="spacer" />
        {heights.length > 1 && <Quality heights={heights} value={quality} onChange={onQuality} />}
        <CaptionsControl captions={captions} />
        {document.pictureInPictureEnabled && (
          <Control name={t.picture} icon="picture" on={state.inPicture} onClick={deeds.picture} />
        )}
        <Control
          name={state.full ? t.small : t.full}
          icon={state.full ? 'small' : 'full'}
          onClick={deeds.full}
        />
      </div>
    </div>
  )
}

/** From the oldest picture that the relay keeps to the live edge. */
function Seek(props: { state: VideoState; live: boolean; onSeek: (to: number) => void }) {
  const { at, from, to } = props.state
  if (to - from < 10) return null
  const text = props.live ? t.behind(duration(Math.max(0, to - at))) : duration(at)
  return (
    <input
      class="seek"
      type="range"
      min={from}
      max={to}
      step="any"
      value={at}
      aria-label={t.position}
      aria-valuetext={text}
      onInput={event => props.onSeek(Number(event.currentTarget.value))}
    />
  )
}

function Control(props: { name: string; icon: IconName; on?: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      class="control"
      aria-label={props.name}
      title={props.name}
      aria-pressed={props.on}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  )
}

/** A switch where there is one track, a choice of languages where there are several. */
function CaptionsControl({ captions: { names, on, choose, toggle } }: { captions: Captions }) {
  if (names.length === 0) return null
  if (names.length === 1)
    return <Control name={t.captions} icon="captions" on={on >= 0} onClick={toggle} />
  return (
    <Menu name={t.captions} icon="captions" on={on >= 0}>
      {[t.captionsOff, ...names].map((name, index) => (
        <button
          key={`${index} ${name}`}
          type="button"
          aria-pressed={on === index - 1}
          onClick={() => choose(index - 1)}
        >
          {name}
        </button>
      ))}
    </Menu>
  )
}

function Quality(props: {
  heights: readonly number[]
  value: number
  onChange: (index: number) => void
}) {
  return (
    <label class="quality">
      <span class="visually-hidden">{t.quality}</span>
      <select
        value={String(props.value)}
        onChange={event => props.onChange(Number(event.currentTarget.value))}
      >
        <option value="-1">{t.auto}</option>
        {props.heights.map((height, index) => (
          <option key={height} value={String(index)}>
            {height}p
          </option>
        ))}
      </select>
    </label>
  )
}
