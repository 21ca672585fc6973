import { kinds, type NostrEvent, parseStreamReceipt } from '../../events/index.ts'
import type { LiveStream } from '../live-stream/stream.ts'
import type { Reader } from '../plugin.ts'
import { directServes, directSessions } from './direct/session.ts'
import { mayServe, sessions, sessionsOfViewer, type Verdict } from './session.ts'

/** What a session opens, whoever its payee is. */
export interface Access {
  readonly viewer: string
  /** The stream's address. */
  readonly address: string
  /** Unix seconds after which it opens nothing, where its payee has said so. */
  readonly endsAt?: number
  /** May media that ends at `segmentEndMs` be served at `nowMs` (unix ms)? */
  serves(stream: LiveStream, segmentEndMs: number, nowMs: number): Verdict
}

/**
 * What the session with that id (of its 5610) opens, as it stands now; undefined for one that is not known.
 *
 * @example
 * (await accessOf(store, id))?.serves(stream, segment.endMs, host.clock.now()) // { ok: true }
 */
export async function accessOf(reader: Reader, id: string): Promise<Access | undefined> {
  const session = await sessions.get(reader, id)
  if (session) {
    const { viewer, address } = session
    return { viewer, address, serves: (...at) => mayServe(session, ...at) }
  }
  const direct = await directSessions.get(reader, id)
  if (!direct) return undefined
  const { viewer, address, paidUntil } = direct
  return { viewer, address, endsAt: paidUntil, serves: (...at) => directServes(direct, ...at) }
}

/**
 * Who tipped which stream, and how much, where `receipt` is a payee's receipt for a tip. What was paid for watching is none:
 * as long as it is not due, its viewer can have it back.
 */
export async function tipOf(
  reader: Reader,
  self: string,
  receipt: NostrEvent,
): Promise<{ viewer: string; address: string; amount: bigint } | undefined> {
  const said = receipt.kind === kinds.StreamReceipt ? parseStreamReceipt(receipt) : undefined
  if (!said?.ok) return undefined
  const { session: id, received: amount } = said.value
  const direct = await directSessions.get(reader, id)
  const session = direct ?? (await sessions.get(reader, id))
  if (session?.purpose !== 'tip' || receipt.pubkey !== (direct?.payee ?? self)) return undefined
  return { viewer: session.viewer, address: session.address, amount }
}

/** True when a session of the viewer opens that stream at `nowMs`. */
export async function isWatching(
  reader: Reader,
  viewer: string,
  stream: LiveStream,
  nowMs: number,
): Promise<boolean> {
  for (const { key, value } of await sessionsOfViewer.list(reader, { prefix: `${viewer} ` })) {
    if (value.address !== stream.address) continue
    const access = await accessOf(reader, key.slice(viewer.length + 1))
    if (access?.serves(stream, nowMs, nowMs).ok) return true
  }
  return false
}
