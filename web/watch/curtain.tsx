import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { fullPriceText, pictureUrl, when } from '../app/format.ts'
import { tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import { PayButton } from './pay-panel.tsx'
import type { Payment } from './use-payment.ts'
import type { Preview } from './use-preview.ts'
import type { PlaybackState } from './video.ts'

const t = texts.watch

export interface CurtainText {
  readonly title: string
  readonly help?: string
  readonly pay?: boolean
  readonly link?: string
  /** A small note over the picture, not a curtain before it. */
  readonly light?: boolean
}

/** What stands before the picture when there is none to see; undefined while it plays. */
export function curtainFor(now: {
  stream: Stream
  payment: Payment
  playback: PlaybackState
  run: boolean
  seen: boolean
  preview: Preview
}): CurtainText | undefined {
  const { stream, payment, playback, run, seen, preview } = now
  if (stream.phase === 'ended') return { title: t.ended, help: t.endedHelp }
  if (stream.phase === 'planned') return planned(stream)
  if (stream.phase === 'starting') return { title: t.starting, help: t.plannedHelp }
  if (!stream.served) return { title: t.elsewhere, link: linkOf(stream) }
  if (playback === 'unplayable') return { title: t.unplayable }
  if (playback === 'too-many' && !run) return { title: t.devices }
  if (!run) return unpaid(stream, payment, preview)
  if (playback === 'interrupted') return { title: t.trouble, light: true }
  // Once there was a picture the browser's own controls show that it waits.
  if (playback === 'loading' && !seen) return { title: t.buffering, light: true }
  return undefined
}

function planned({ starts }: Stream): CurtainText {
  const ahead = starts !== undefined && starts > Date.now() / 1000
  return {
    title: t.planned,
    help: `${ahead ? `${t.plannedAt(when(starts))} ` : ''}${t.plannedHelp}`,
  }
}

function unpaid(stream: Stream, { state, busy }: Payment, preview: Preview): CurtainText {
  if (busy || (state?.phase === 'paying' && !state.grant)) return { title: t.opening, light: true }
  if (state?.phase === 'blocked') return { title: t.blockedTitle, help: state.problem, pay: true }
  if (state?.phase === 'spent') return { title: t.spentTitle, help: t.spentHelp, pay: true }
  if (state) {
    const rest = state.phase === 'closed' ? t.pausedHelp : t.spentHelp
    return { title: t.paused, help: state.problem ?? rest, pay: true }
  }
  const help = isPaid(stream) ? `${fullPriceText(stream.price)}.` : undefined
  if (preview.seen) return { title: t.previewOver, help, pay: true }
  if (preview.offered) return { title: t.previewUsed, help, pay: true }
  return { title: t.paid, help, pay: true }
}

/** Where another service shows it. */
const linkOf = ({ streaming }: Stream): string | undefined =>
  streaming.find(url => URL.canParse(url) && new URL(url).protocol === 'https:')

export function Curtain(
  props: CurtainText & { stream: Stream; payment: Payment; budget: bigint | undefined },
) {
  const { stream, payment, budget, title, help, pay, link, light } = props
  const picture = light ? undefined : pictureUrl(stream.image)
  return (
    <div class={light ? 'note' : `curtain tint-${tint(stream.host)}`} role="status">
      {picture && <img src={picture} alt="" referrerpolicy="no-referrer" />}
      <div class="curtain-text">
        {light && <span class="spinner" aria-hidden="true" />}
        <p class="curtain-title">{title}</p>
        {help && <p>{help}</p>}
        {pay && <PayButton payment={payment} budget={budget} />}
        {link && (
          <a class="button primary" href={link} target="_blank" rel="noreferrer noopener">
            {t.elsewhereLink}
          </a>
        )}
      </div>
    </div>
  )
}
