import '../styles/watch.css'
import { useEffect, useState } from 'preact/hooks'
import { followStream } from '../../client/discover.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'
import { ChatPanel } from './chat-panel.tsx'
import { StreamInfo } from './stream-info.tsx'
import { Theater } from './theater.tsx'
import { usePayment } from './use-payment.ts'

type Found = { state: 'loading' } | { state: 'missing' } | { state: 'found'; stream: Stream }

/** A stream's own page: the video, what it costs, and the chat. */
export function WatchPage({ address }: { address: string }) {
  const { relay, info } = useApp()
  const [found, setFound] = useState<Found>({ state: 'loading' })
  const self = info.value?.self
  const stream = found.state === 'found' ? found.stream : undefined
  const payment = usePayment(stream)

  useEffect(() => {
    if (!self) return
    return followStream(relay, self, address, next =>
      setFound(next ? { state: 'found', stream: next } : { state: 'missing' }),
    )
  }, [relay, self, address])
  useEffect(() => {
    document.title = texts.app.title(stream?.title || texts.watch.page)
  }, [stream?.title])

  if (found.state === 'loading')
    return <div class="loading" role="status" aria-label={texts.watch.loading} />
  if (found.state === 'missing')
    return (
      <div class="empty">
        <h1>{texts.watch.missing}</h1>
        <p>{texts.watch.missingHelp}</p>
        <Link class="button" to="/">
          {texts.app.home}
        </Link>
      </div>
    )
  return (
    <div class="watch">
      <div class="stage">
        <Theater stream={found.stream} payment={payment} />
        <StreamInfo stream={found.stream} />
      </div>
      <ChatPanel stream={found.stream} />
    </div>
  )
}
