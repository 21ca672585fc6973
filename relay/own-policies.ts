import { privateKinds } from '../events/index.ts'
import type { Policy } from '../plugins/plugin.ts'
import { proofOfWork } from '../policies/proof-of-work.ts'
import { protectedEvents } from '../policies/protected.ts'
import { restrictedKinds } from '../policies/restricted-kinds.ts'
import { sizeLimits } from '../policies/size-limits.ts'
import { timeWindow } from '../policies/time-window.ts'
import { type Config, kindList } from './config/config.ts'

/** What every relay decides before any plugin is asked; cheap first. */
export const ownPolicies = ({ events, relay }: Pick<Config, 'events' | 'relay'>): Policy[] => [
  eventSizes({ events }),
  timeWindow({
    maxAgeSeconds: events.rejectEventsOlderThanSeconds,
    maxEphemeralAgeSeconds: events.rejectEphemeralEventsOlderThanSeconds,
    maxAheadSeconds: events.rejectEventsNewerThanSeconds,
  }),
  proofOfWork({ minDifficulty: events.minPowDifficulty }),
  protectedEvents(),
  ...privacy(relay),
]

/** The size limits alone, which hold for an import too. */
export const eventSizes = ({ events }: Pick<Config, 'events'>): Policy =>
  sizeLimits({
    maxEventBytes: events.maxEventSize,
    maxTags: events.maxNumTags,
    maxTagBytes: events.maxTagValSize,
  })

/** Our private kinds go to those they concern, whatever the configuration says of others. */
function privacy({ auth }: Config['relay']): Policy[] {
  const listed = kindList(auth.restrictedReadKinds)
  if (auth.restrictReadToInvolvedPubkey)
    return [restrictedKinds({ kinds: [...new Set([...privateKinds, ...listed])] })]
  const others = listed.filter(kind => !privateKinds.includes(kind))
  return [restrictedKinds(), restrictedKinds({ kinds: others, toAnybody: true })]
}
