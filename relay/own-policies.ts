import { privateKinds } from '../events/index.ts'
import type { Policy } from '../plugins/plugin.ts'
import { proofOfWork } from '../policies/proof-of-work.ts'
import { protectedEvents } from '../policies/protected.ts'
import { restrictedKinds } from '../policies/restricted-kinds.ts'
import { sizeLimits } from '../policies/size-limits.ts'
import { timeWindow } from '../policies/time-window.ts'
import type { Config } from './config/config.ts'

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
  restrictedKinds({
    kinds: [...new Set([...privateKinds, ...kindList(relay.auth.restrictedReadKinds)])],
  }),
]

/** The size limits alone, which hold for an import too. */
export const eventSizes = ({ events }: Pick<Config, 'events'>): Policy =>
  sizeLimits({
    maxEventBytes: events.maxEventSize,
    maxTags: events.maxNumTags,
    maxTagBytes: events.maxTagValSize,
  })

const kindList = (text: string): number[] =>
  text.split(',').flatMap(kind => (kind.trim() === '' ? [] : [Number(kind)]))
