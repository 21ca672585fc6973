import '../styles/watch.css'
import { useEffect } from 'preact/hooks'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'
import { ChatPanel } from './chat-panel.tsx'
import { StreamInfo } from './stream-info.tsx'
import { Theater } from './theater.tsx'
import { usePayment } from './use-payment.ts'
import { type Found, useStream } from './use-stream.ts'

/** A stream's own page: the video, what it costs, and the chat. */
export function WatchPage({ address }: { address: string }) {
  const found = useStream(address)
  const stream = found.state === 'found' ? found.stream : undefined
  const payment = usePayment(stream)
  const title = stream?.title || texts.watch.page
  const recorded = stream?.phase === 'ended' && Boolean(stream.recording)
  useEffect(() => {
    document.title = texts.app.title(recorded ? texts.watch.recordingOf(title) : title)
  }, [title, recorded])

  if (!stream) return <NotYet state={found.state} />
  return (
    <div class="watch">
      <div class="stage">
        <Theater stream={stream} payment={payment} />
        <StreamInfo stream={stream} />
      </div>
      <ChatPanel stream={stream} />
    </div>
  )
}

/** While a stream is looked for, and when it is not here. */
export function NotYet({ state }: { state: Found['state'] }) {
  if (state === 'loading')
    return <div class="loading" role="status" aria-label={texts.watch.loading} />
  return (
    <div class="empty">
      <h1>{texts.watch.missing}</h1>
      <p>{texts.watch.missingHelp}</p>
      <Link class="button" to="/">
        {texts.app.home}
      </Link>
    </div>
  )
}
