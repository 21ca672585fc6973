import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { pictureUrl } from '../app/format.ts'
import { Player } from './player.tsx'
import { atOrigin, ticketOf } from './ticket.ts'
import type { Payment } from './use-payment.ts'
import { type Preview, usePreview } from './use-preview.ts'
import type { PlaybackState } from './video.ts'

/** What is to be played, and how it goes. */
export interface ScreenState {
  readonly payment?: Payment
  readonly playback: PlaybackState
  /** Whether it should play now. */
  readonly run: boolean
  /** There was a picture already. */
  readonly seen: boolean
  readonly preview: Preview
  /** What plays: the live stream, or the recording of one that is over. */
  readonly url?: string
  readonly ticket: string
  readonly live: boolean
  changed(next: PlaybackState): void
}

/**
 * Whether the video runs follows from the stream, the grant and what the gateway answers. Nothing here decides who may
 * watch; the gateway does.
 */
export function useScreen(stream: Stream, payment?: Payment): ScreenState {
  const { origin } = useApp()
  const [playback, setPlayback] = useState<PlaybackState>('loading')
  const [seen, setSeen] = useState(false)
  const grant = payment?.state?.grant
  const preview = usePreview(stream, playback, grant !== undefined)
  // A refused ticket stays refused until there is another one, or more is paid.
  const [refused, setRefused] = useState<string | undefined>(undefined)

  const live = stream.phase !== 'ended'
  const url = live
    ? stream.served && stream.playbackUrl
      ? atOrigin(stream.playbackUrl, origin)
      : undefined
    : ownRecording(stream, origin)
  const ticket = (live ? grant?.token : undefined) ?? ticketOf(url ?? '') ?? ''
  const attempt = `${ticket} ${payment?.state?.paidUntil ?? 0}`
  const stopped = payment?.state?.phase === 'closed'
  const open = !live || !isPaid(stream) || grant !== undefined || (preview.offered && !stopped)
  const on = live ? stream.phase === 'live' && stream.served : url !== undefined
  const run = on && open && refused !== attempt

  // The player keeps the function it was opened with: what it must know of later stands in a ref.
  const latest = useRef(attempt)
  latest.current = attempt
  const changed = (next: PlaybackState) => {
    setPlayback(next)
    if (next === 'playing') setSeen(true)
    if (isRefusal(next)) setRefused(latest.current)
  }
  return { payment, playback, run, seen, preview, url, ticket, live, changed }
}

const isRefusal = (state: PlaybackState): boolean =>
  state === 'unpaid' || state === 'too-many' || state === 'withheld' || state === 'gone'

/** A recording that this relay serves, as HLS: pages may fetch nothing from elsewhere. */
function ownRecording({ recording = '' }: Stream, origin: string): string | undefined {
  const here = ticketOf(recording) !== undefined && /\.m3u8$/.test(recording)
  return here ? atOrigin(recording, origin) : undefined
}

/** The picture; `children` stand before it. */
export function Screen(props: {
  stream: Stream
  screen: ScreenState
  children: ComponentChildren
}) {
  const { stream, screen } = props
  const { preview, payment, run, url } = screen
  return (
    <div class="screen">
      {url && (
        <Player
          url={url}
          ticket={screen.ticket}
          run={run}
          live={screen.live}
          poster={pictureUrl(stream.image)}
          onState={screen.changed}
          onHeld={held => payment?.hold(held)}
        />
      )}
      {props.children}
      {preview.left !== undefined && run && !payment?.state?.grant && (
        <p class="preview-left" role="timer">
          {preview.text}
        </p>
      )}
    </div>
  )
}
