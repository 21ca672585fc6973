import type { Suite } from './check.ts'
import { eventChecks } from './nip01-events.ts'
import { kindChecks } from './nip01-kinds.ts'
import { liveChecks } from './nip01-live.ts'
import { queryChecks } from './nip01-queries.ts'

/** Events, filters, subscriptions and the classes of kinds. */
export const nip01: Suite = {
  name: 'nip01',
  nips: [],
  checks: [...eventChecks, ...queryChecks, ...liveChecks, ...kindChecks],
}
