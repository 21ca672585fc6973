import { useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { due, isPaid, type Price, paidMs } from '../../events/index.ts'
import { duration, hourText, money, priceText } from '../app/format.ts'
import { texts } from '../texts.ts'
import { useBalance } from './use-balance.ts'
import type { Payment } from './use-payment.ts'

const t = texts.watch
const BUDGET_MINUTES = [10, 30, 60, 180]

/** What the stream costs, paying and stopping, and what was paid so far. */
export function PayPanel({ stream, payment }: { stream: Stream; payment: Payment }) {
  if (stream.phase === 'ended' || !stream.served) return null
  if (!isPaid(stream)) return <p class="pay-panel free">{t.free}</p>
  return <Paid stream={stream} price={stream.price} payment={payment} />
}

function Paid({ stream, price, payment }: { stream: Stream; price: Price; payment: Payment }) {
  const [minutes, setMinutes] = useState(60)
  const { state, busy, problem } = payment
  const active = state?.phase === 'paying' || state?.phase === 'opening'
  const budget = minutes === 0 ? undefined : budgetFor(price, minutes)
  const say = problem ?? (state?.phase === 'blocked' ? state.problem : undefined)
  return (
    <section class="pay-panel" aria-label={priceText(price)}>
      <div class="pay-price">
        <strong>{priceText(price)}</strong>
        <span class="muted">{t.perHour(hourText(price))}</span>
        {stream.freePreviewSeconds > 0 && !state && (
          <span class="muted">{t.previewOffer(stream.freePreviewSeconds)}</span>
        )}
      </div>
      <div class="pay-do">
        <label class="budget">
          <span>{t.budget}</span>
          <select
            value={String(minutes)}
            disabled={active}
            onChange={event => setMinutes(Number(event.currentTarget.value))}
          >
            {BUDGET_MINUTES.map(value => (
              <option key={value} value={String(value)}>
                {t.budgetFor(value, money(budgetFor(price, value), price.asset))}
              </option>
            ))}
            <option value="0">{t.budgetNone}</option>
          </select>
        </label>
        {active ? (
          <button type="button" class="button stop" disabled={busy} onClick={() => payment.stop()}>
            {t.stop}
          </button>
        ) : (
          <PayButton payment={payment} budget={budget} />
        )}
      </div>
      {say && (
        <p class="problem" role="alert">
          {say}
        </p>
      )}
      <Account price={price} payment={payment} />
    </section>
  )
}

/** Pays with the budget that was chosen, or goes on with the one of before. */
export function PayButton({ payment, budget }: { payment: Payment; budget?: bigint }) {
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

/** At least one unit, so that a very cheap stream has a budget at all. */
function budgetFor(price: Price, minutes: number): bigint {
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
