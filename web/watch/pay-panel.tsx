import type { Stream } from '../../client/stream-book.ts'
import { due, isPaid, type Price, paidMs } from '../../events/index.ts'
import { duration, hourText, money, priceText } from '../app/format.ts'
import { texts } from '../texts.ts'
import { useBalance } from './use-balance.ts'
import type { Payment } from './use-payment.ts'

const t = texts.watch
const BUDGET_MINUTES = [10, 30, 60, 180]

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

function Paid({
  stream,
  price,
  payment,
  minutes,
  onMinutes,
  offered,
}: PayPanelProps & { price: Price }) {
  const { state, busy, problem } = payment
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
          {active ? (
            <button
              type="button"
              class="button stop"
              disabled={busy}
              onClick={() => payment.stop()}
            >
              {t.stop}
            </button>
          ) : (
            !offered && <PayButton payment={payment} budget={budgetFor(price, minutes)} />
          )}
        </div>
      )}
      {(problem ?? refusal) && (
        <p class="problem" role="alert">
          {problem ?? refusal}
        </p>
      )}
      <Account price={price} payment={payment} />
    </section>
  )
}

function Budget(props: {
  price: Price
  minutes: number
  disabled: boolean
  onMinutes: (minutes: number) => void
}) {
  const { price, minutes, disabled, onMinutes } = props
  return (
    <label class="budget">
      <span>{t.budget}</span>
      <select
        value={String(minutes)}
        disabled={disabled}
        onChange={event => onMinutes(Number(event.currentTarget.value))}
      >
        {BUDGET_MINUTES.map(value => (
          <option key={value} value={String(value)}>
            {t.budgetFor(value, money(budgetFor(price, value) ?? 0n, price.asset))}
          </option>
        ))}
        <option value="0">{t.budgetNone}</option>
      </select>
    </label>
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

/** What so many minutes cost; at least one unit, so that a very cheap stream has a budget at all. */
export function budgetFor(price: Price, minutes: number): bigint | undefined {
  if (minutes === 0) return undefined
  const amount = due(price, BigInt(minutes) * 60_000n)
  return amount > 0n ? amount : 1n
}

function Account({ price, payment }: { price: Price; payment: Payment }) {
  const balance = useBalance(price.asset, payment.state)
  const received = payment.state?.totalReceived ?? 0n
  const seconds = Number(paidMs(price, received) ?? 0n) / 1000
  if (!payment.state && balance === undefined) return null
  return (
    <dl class="figures">
      {payment.state && (
        <>
          <div>
            <dt>{t.watched}</dt>
            <dd>{duration(received === 0n ? 0 : seconds)}</dd>
          </div>
          <div>
            <dt>{t.spent}</dt>
            <dd>{money(received, price.asset)}</dd>
          </div>
        </>
      )}
      {balance !== undefined && (
        <div>
          <dt>{t.balance}</dt>
          <dd>{money(balance, price.asset)}</dd>
        </div>
      )}
    </dl>
  )
}
