import { due, type Price } from '../../events/index.ts'
import { money } from '../app/format.ts'
import { texts } from '../texts.ts'

const t = texts.watch
/** Minutes of watching after which it stops by itself; 0 is no limit. */
const STEPS = [5, 10, 20, 30, 60, 120, 180, 360, 0]

/** What so many minutes cost; at least one unit, so that a very cheap stream has a budget at all. */
export function budgetFor(price: Price, minutes: number): bigint | undefined {
  if (minutes === 0) return undefined
  const amount = due(price, BigInt(minutes) * 60_000n)
  return amount > 0n ? amount : 1n
}

/** A slider for how long to watch at most, with what that costs in words. */
export function Budget(props: {
  price: Price
  minutes: number
  disabled: boolean
  onMinutes: (minutes: number) => void
}) {
  const { price, minutes, disabled, onMinutes } = props
  const budget = budgetFor(price, minutes)
  const text =
    budget === undefined ? t.budgetNone : t.budgetFor(minutes, money(budget, price.asset))
  return (
    <label class="budget">
      <span>{t.budget}</span>
      <output>{text}</output>
      <input
        type="range"
        min="0"
        max={STEPS.length - 1}
        aria-valuetext={text}
        disabled={disabled}
        value={Math.max(0, STEPS.indexOf(minutes))}
        onInput={event => onMinutes(STEPS[Number(event.currentTarget.value)] ?? 0)}
      />
    </label>
  )
}
