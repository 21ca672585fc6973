import { useRef, useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { pictureUrl } from '../app/format.ts'
import { Curtain, curtainFor } from './curtain.tsx'
import { budgetFor, PayPanel } from './pay-panel.tsx'
import { Player } from './player.tsx'
import { atOrigin, ticketOf } from './ticket.ts'
import type { Payment } from './use-payment.ts'
import { usePreview } from './use-preview.ts'
import type { PlaybackState } from './video.ts'

/**
 * The player and the payment beside it: whether it runs follows from the stream, the grant and what the gateway
 * answers. Nothing here decides who may watch; the gateway does.
 */
export function Theater({ stream, payment }: { stream: Stream; payment: Payment }) {
  const { origin } = useApp()
  const [playback, setPlayback] = useState<PlaybackState>('loading')
  const [seen, setSeen] = useState(false)
  const [minutes, setMinutes] = useState(60)
  const grant = payment.state?.grant
  const preview = usePreview(stream, playback, grant !== undefined)
  // A refused ticket stays refused until there is another one, or more is paid.
  const [refused, setRefused] = useState<string | undefined>(undefined)

  const url = stream.playbackUrl && atOrigin(stream.playbackUrl, origin)
  const ticket = grant?.token ?? ticketOf(url ?? '') ?? ''
  const attempt = `${ticket} ${payment.state?.paidUntil ?? 0}`
  const stopped = payment.state?.phase === 'closed'
  const open = !isPaid(stream) || grant !== undefined || (preview.offered && !stopped)
  const run = stream.phase === 'live' && stream.served && open && refused !== attempt

  // The player keeps the function it was opened with: what it must know of later stands in a ref.
  const latest = useRef(attempt)
  latest.current = attempt
  const changed = (next: PlaybackState) => {
    setPlayback(next)
    if (next === 'playing') setSeen(true)
    if (next === 'unpaid' || next === 'too-many') setRefused(latest.current)
  }
  const curtain = curtainFor({ stream, payment, playback, run, seen, preview })
  const budget = isPaid(stream) ? budgetFor(stream.price, minutes) : undefined
  return (
    <>
      <div class="screen">
        {url && stream.served && (
          <Player
            url={url}
            ticket={ticket}
            run={run}
            poster={pictureUrl(stream.image)}
            onState={changed}
            onHeld={payment.hold}
          />
        )}
        {curtain && <Curtain {...curtain} stream={stream} payment={payment} budget={budget} />}
        {preview.left !== undefined && run && !grant && (
          <p class="preview-left" role="timer">
            {preview.text}
          </p>
        )}
      </div>
      <PayPanel
        stream={stream}
        payment={payment}
        minutes={minutes}
        onMinutes={setMinutes}
        offered={curtain?.pay ?? false}
      />
    </>
  )
}
