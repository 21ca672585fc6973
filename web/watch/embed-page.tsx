import '../styles/watch.css'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { fullPriceText, watchPath } from '../app/format.ts'
import { texts } from '../texts.ts'
import { Curtain, curtainFor } from './curtain.tsx'
import { Screen, useScreen } from './screen.tsx'
import { useStream } from './use-stream.ts'
import { NotYet } from './watch-page.tsx'

/**
 * A stream inside somebody else's page: free streams and previews play, nothing is signed or paid here. A page that
 * frames this one could lay anything over a button, so paying happens on the relay's own page.
 */
export function EmbedPage({ address }: { address: string }) {
  const found = useStream(address)
  return found.state === 'found' ? (
    <Embedded stream={found.stream} />
  ) : (
    <NotYet state={found.state} />
  )
}

function Embedded({ stream }: { stream: Stream }) {
  const screen = useScreen(stream)
  const curtain = curtainFor({ ...screen, stream })
  const recorded = stream.phase === 'ended' && screen.url !== undefined
  const price = isPaid(stream) ? fullPriceText(stream.price) : undefined
  const note = recorded ? texts.watch.recording : price
  return (
    <>
      <Screen stream={stream} screen={screen}>
        {curtain && (
          <Curtain {...curtain} stream={stream}>
            {curtain.pay && (
              <a
                class="button primary"
                href={watchPath(stream.address)}
                target="_blank"
                rel="noopener"
              >
                {texts.embed.watch}
              </a>
            )}
          </Curtain>
        )}
      </Screen>
      <p class="embed-title">
        <a href={watchPath(stream.address)} target="_blank" rel="noopener">
          {stream.title || texts.discover.untitled}
        </a>
        {note && <span>{note}</span>}
      </p>
    </>
  )
}
