import { useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { budgetFor } from './budget.tsx'
import { Curtain, curtainFor } from './curtain.tsx'
import { PayButton, PayPanel } from './pay-panel.tsx'
import { Screen, useScreen } from './screen.tsx'
import type { Payment } from './use-payment.ts'

/** The player and the payment below it. */
export function Theater({ stream, payment }: { stream: Stream; payment: Payment }) {
  const screen = useScreen(stream, payment)
  const [minutes, setMinutes] = useState(60)
  const curtain = curtainFor({ ...screen, stream })
  const budget = isPaid(stream) ? budgetFor(stream.price, minutes) : undefined
  return (
    <>
      <Screen stream={stream} screen={screen}>
        {curtain && (
          <Curtain {...curtain} stream={stream}>
            {curtain.pay && <PayButton payment={payment} budget={budget} />}
          </Curtain>
        )}
      </Screen>
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
