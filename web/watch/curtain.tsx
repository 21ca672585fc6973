import type { ComponentChildren } from 'preact'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { fullPriceText, pictureUrl, when } from '../app/format.ts'
import { tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import type { ScreenState } from './screen.tsx'
import type { Payment } from './use-payment.ts'
import type { Preview } from './use-preview.ts'
import type { PlaybackState } from './video.ts'

const t = texts.watch

export interface CurtainText {
  readonly title: string
  readonly help?: string
  readonly pay?: boolean
  readonly link?: string
  readonly linkName?: string
  /** A small note over the picture, not a curtain before it. */
  readonly light?: boolean
}

/** What stands before the picture when there is none to see; undefined while it plays. */
export function curtainFor(
  now: Pick<ScreenState, 'payment' | 'playback' | 'run' | 'seen' | 'preview' | 'url'> & {
    stream: Stream
  },
): CurtainText | undefined {
  const { stream, payment, playback, run, seen, preview, url } = now
  const unseen = !url || playback === 'withheld' || playback === 'gone'
  if (stream.phase === 'ended' && unseen) return over(stream, playback)
  if (stream.phase === 'planned') return planned(stream)
  if (stream.phase === 'starting') return { title: t.starting, help: t.plannedHelp }
  if (stream.phase === 'live' && !stream.served)
    return { title: t.elsewhere, link: linkOf(stream.streaming) }
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

function unpaid(stream: Stream, payment: Payment | undefined, preview: Preview): CurtainText {
  const { state, busy = false } = payment ?? {}
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

/** It is over, and there is nothing to see here: the recording is elsewhere, not for everybody, or there is none. */
function over(stream: Stream, playback: PlaybackState): CurtainText {
  const link = stream.recording && linkOf([stream.recording])
  if (playback === 'gone') return { title: t.recordingGone, help: t.recordingGoneHelp }
  if (playback === 'withheld' || (isPaid(stream) && !link))
    return { title: t.ended, help: t.recordingWithheld }
  if (link) return { title: t.ended, link, linkName: t.recordingLink }
  return { title: t.ended, help: t.endedHelp }
}

/** Where another service shows it. */
const linkOf = (urls: readonly string[]): string | undefined =>
  urls.find(url => URL.canParse(url) && new URL(url).protocol === 'https:')

/** `children`: what can be done about it. */
export function Curtain(props: CurtainText & { stream: Stream; children?: ComponentChildren }) {
  const { stream, title, help, link, linkName, light } = props
  const picture = light ? undefined : pictureUrl(stream.image)
  return (
    <div class={light ? 'note' : `curtain tint-${tint(stream.host)}`} role="status">
      {picture && <img src={picture} alt="" referrerpolicy="no-referrer" />}
      <div class="curtain-text">
        {light && <span class="spinner" aria-hidden="true" />}
        <p class="curtain-title">{title}</p>
        {help && <p>{help}</p>}
        {props.children}
        {link && (
          <a class="button primary" href={link} target="_blank" rel="noreferrer noopener">
            {linkName ?? t.elsewhereLink}
          </a>
        )}
      </div>
    </div>
  )
}
