import type { StreamOpen } from '../../../events/index.ts'
import type { LiveStream } from '../../live-stream/stream.ts'
import type { Tx } from '../../plugin.ts'
import type { Desk } from '../desk.ts'
import { sessionsOfViewer } from '../session.ts'
import { directSessions } from './session.ts'

/** May this host be paid directly? */
export const isOwnPayee = ({ options }: Desk, host: string): boolean =>
  options.hosts.get(host)?.ownPayee ?? options.ownPayee

/** Notes the session that a stored 5610 opens with the stream's host, which answers it itself. */
export async function beginDirect(
  tx: Tx,
  { host, options }: Desk,
  open: StreamOpen,
  { stream, asset }: { stream: LiveStream; asset: string },
): Promise<void> {
  const { id, viewer, payee, streamId, maxTotal } = open
  const nowMs = host.clock.now()
  const { amount, unit } = stream.price ?? { amount: 0n, unit: 'second' as const }
  await directSessions.put(tx, id, {
    id,
    viewer,
    payee,
    address: stream.address,
    streamId,
    purpose: open.purpose === 'tip' ? 'tip' : 'video_access',
    asset,
    rate: { amount, unit },
    maxTotal,
    status: 'proposed',
    touchedAt: nowMs,
    maxReceive: 0n,
    waiting: [],
    received: 0n,
    receiptAt: 0,
    receiptClock: 0,
    watchedMs: 0,
    closes: [],
  })
  await sessionsOfViewer.put(tx, `${viewer} ${id}`, { address: stream.address })
  await tx.enqueue({ name: 'review', key: id, runAt: nowMs + options.watchSeconds * 1000 })
}
