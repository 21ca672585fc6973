import { verifyEvent } from 'nostr-tools/pure'
import type { NostrEvent } from '../events/index.ts'

/** True when id and signature hold. verifyEvent marks the object it checked, so it gets a copy of its own type. */
export const isVerified = (event: NostrEvent): boolean =>
  verifyEvent({ ...event, tags: event.tags.map(tag => [...tag]) })
