import { useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { when } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'
import { budgetFor } from './budget.tsx'
import { Curtain, curtainFor } from './curtain.tsx'
import { PayButton, PayPanel } from './pay-panel.tsx'
import { Screen, useScreen } from './screen.tsx'
import type { Payment } from './use-payment.ts'

/** The player and the payment below it. */
export function Theater({ stream, payment }: { stream: Stream; payment: Payment }) {
  const screen = useScreen(stream, payment)
  const { identity } = useApp()
  const [minutes, setMinutes] = useState(60)
  const curtain = curtainFor({ ...screen, stream })
  const recorded =
    stream.phase === 'ended' && screen.url !== undefined && (curtain?.light ?? !curtain)
  const budget = isPaid(stream) ? budgetFor(stream.price, minutes) : undefined
  return (
    <>
      <Screen stream={stream} screen={screen}>
        {curtain && (
          <Curtain {...curtain} stream={stream}>
            {curtain.pay && <PayButton payment={payment} budget={budget} />}
            {stream.phase === 'ended' && identity.pubkey.value === stream.host && (
              <Link class="button" to="/go-live">
                {texts.watch.yourRecordings}
              </Link>
            )}
          </Curtain>
        )}
      </Screen>
      {recorded && <RecordingNote ends={stream.ends} />}
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

/** What plays is no live stream, and costs nothing. */
function RecordingNote({ ends }: { ends: number | undefined }) {
  const t = texts.watch
  return (
    <p class="pay-panel recording-note">
      <strong>{t.recording}</strong>
      <span class="muted">
        {ends && `${texts.discover.endedAt(when(ends))}. `}
        {t.recordingFree}
      </span>
    </p>
  )
}
