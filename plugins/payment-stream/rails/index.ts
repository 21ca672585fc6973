import type { Desk } from '../desk.ts'
import type { PaymentOptions } from '../options.ts'
import { creditRail } from './credit.ts'
import { ilpRail } from './ilp/rail.ts'

/** The rails that strfry.conf names, in its order. */
export function railsOf(options: PaymentOptions): Pick<Desk, 'rails' | 'credit' | 'ilp'> {
  const on = (name: PaymentOptions['rails'][number]) => options.rails.includes(name)
  const credit = on('credit') ? creditRail(options.credit) : undefined
  const ilp = on('ilp') ? ilpRail(options.ilp) : undefined
  const known = { credit, ilp }
  const rails = options.rails.map(name => known[name]).filter(rail => rail !== undefined)
  return { rails, credit, ilp }
}
