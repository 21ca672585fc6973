import type { Stream } from '../../client/stream-book.ts'
import { isPaid, type Price, paidMs } from '../../events/index.ts'
import { duration, hourText, money, priceText } from '../app/format.ts'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { Budget, budgetFor } from './budget.tsx'
import { Receipts } from './receipts.tsx'
import { TopUp } from './top-up.tsx'
import { useBalance } from './use-balance.ts'
import type { Payment } from './use-payment.ts'

const t = texts.watch

interface PayPanelProps {
  stream: Stream
  payment: Payment
  /** Minutes of watching after which it stops by itself; 0 is no limit. */
  minutes: number
  onMinutes: (minutes: number) => void
  /** The button to pay stands over the picture already. */
  offered: boolean
}

/** What the stream costs, paying and stopping, and what was paid so far. */
export function PayPanel(props: PayPanelProps) {
  const { stream, payment } = props
  if (!stream.served) return null
  if (!isPaid(stream))
    return stream.phase === 'ended' ? null : <p class="pay-panel free">{t.free}</p>
  if (stream.phase === 'ended')
    return payment.state ? (
      <section class="pay-panel" aria-label={t.spent}>
        <Account price={stream.price} payment={payment} />
      </section>
    ) : null
  return <Paid {...props} price={stream.price} />
}

function Paid(props: PayPanelProps & { price: Price }) {
  const { stream, price, payment, minutes, onMinutes, offered } = props
  const { state, problem } = payment
  const active = state?.phase === 'paying' || state?.phase === 'opening'
  const watchable = stream.phase === 'live' || active
  const refusal = state?.phase === 'blocked' && !offered ? state.problem : undefined
  return (
    <section class="pay-panel" aria-label={priceText(price)}>
      <div class="pay-price">
        <strong>{priceText(price)}</strong>
        {price.unit !== 'hour' && <span class="muted">{t.perHour(hourText(price))}</span>}
        {stream.freePreviewSeconds > 0 && !state && (
          <span class="muted">{t.previewOffer(stream.freePreviewSeconds)}</span>
        )}
        {!watchable && <span class="muted">{t.payLater}</span>}
      </div>
      {watchable && (
        <div class="pay-do">
          <Budget price={price} minutes={minutes} disabled={active} onMinutes={onMinutes} />
          <PayButtons payment={payment} budget={budgetFor(price, minutes)} offered={offered} />
        </div>
      )}
      <Problem text={problem ?? refusal} />
      <Account price={price} payment={payment} />
    </section>
  )
}

/** Pay; while it pays: pause (what is paid stays) and stop (what is left goes back). */
function PayButtons(props: { payment: Payment; budget: bigint | undefined; offered: boolean }) {
  const { payment, budget, offered } = props
  const phase = payment.state?.phase
  const open = phase !== undefined && phase !== 'closed'
  return (
    <div class="buttons">
      {phase === 'paying' && (
        <button type="button" class="button" onClick={() => payment.pause()}>
          {t.pause}
        </button>
      )}
      {phase !== 'paying' && phase !== 'opening' && !offered && (
        <PayButton payment={payment} budget={budget} />
      )}
      {open && (
        <button
          type="button"
          class="button stop"
          disabled={payment.busy}
          onClick={() => payment.stop()}
        >
          {t.stop}
        </button>
      )}
    </div>
  )
}

/** Opens a session with that budget and pays, or goes on with the one that is open. */
export function PayButton({ payment, budget }: { payment: Payment; budget: bigint | undefined }) {
  const { state, busy } = payment
  return (
    <button
      type="button"
      class="button primary"
      disabled={busy}
      onClick={() => payment.pay(budget)}
    >
      {busy ? t.opening : state ? t.payAgain : t.watchPaid}
    </button>
  )
}

function Account({ price, payment }: { price: Price; payment: Payment }) {
  const { balance, ask } = useBalance(price.asset, payment.state)
  const received = payment.state?.totalReceived ?? 0n
  const secondsOf = (amount: bigint) => Number(paidMs(price, amount) ?? 0n) / 1000
  return (
    <>
      <dl class="figures">
        {payment.state && (
          <>
            <Figure name={t.watched} value={duration(received === 0n ? 0 : secondsOf(received))} />
            <Figure name={t.spent} value={money(received, price.asset)} />
          </>
        )}
        {balance !== undefined && (
          <>
            <Figure name={t.balance} value={money(balance, price.asset)} />
            <Figure name={t.lasts} value={duration(balance <= 0n ? 0 : secondsOf(balance))} />
          </>
        )}
        {ask && (
          <button type="button" class="button quiet small" onClick={ask}>
            {t.showBalance}
          </button>
        )}
      </dl>
      <div class="more">
        <TopUp asset={price.asset} />
        {payment.state && <Receipts receipts={payment.state.receipts} asset={price.asset} />}
      </div>
    </>
  )
}

const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
)
