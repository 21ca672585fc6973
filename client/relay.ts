import type { EventTemplate, Filter, NostrEvent } from '../events/index.ts'
import type { Signer } from './signer.ts'
import type { SubscriptionHandlers } from './subscription.ts'

export type RelayStatus = 'connecting' | 'open' | 'closed'

/** What Host, Viewer and Chat need of a relay: one (`RelayClient`), or several that act as one (`RelayPool`). */
export interface Relay {
  /** Where it is; of several, one that answers now. */
  readonly url: string
  readonly status: RelayStatus
  /** Who signs; throws `SignerMissing` while nobody does. */
  readonly signer: Signer
  /** From now on sign as somebody else. */
  setSigner(signer: Signer | undefined): void
  /** Calls `listener` on each change of the connection; gives the function that ends that. */
  onStatus(listener: (status: RelayStatus) => void): () => void
  /** Sends a signed event until it is taken; resolves with the OK's note, rejects with a `SluiceError`. */
  publish(event: NostrEvent): Promise<string>
  /** Signs a template and publishes it; gives the event. */
  send(template: EventTemplate): Promise<NostrEvent>
  /** A REQ that survives reconnects; gives the function that ends it. */
  subscribe(filters: readonly Filter[], handlers: SubscriptionHandlers): () => void
  /** The stored events that match, newest first. */
  query(filters: readonly Filter[]): Promise<NostrEvent[]>
  /** Ends it: subscriptions fall silent, and what had no OK yet is rejected with `RelayGone`. */
  close(): void
}
