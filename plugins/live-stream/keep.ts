import { type Host, streamPhase, type Tx } from '../plugin.ts'
import { phaseOf } from './lifecycle.ts'
import { type LiveStream, streamIds, streamKeys, streams } from './stream.ts'

/** Saves a stream; whoever listens hears when it has come into another phase. `cause`: why, in a sentence. */
export async function keep(
  tx: Tx,
  host: Host,
  before: LiveStream | undefined,
  after: LiveStream,
  cause?: string,
): Promise<void> {
  await streams.put(tx, after.address, after)
  const from = before && phaseOf(before)
  const to = phaseOf(after)
  if (from === to) return
  const { address, id, host: by } = after
  const told = { address, id, host: by, at: host.clock.now(), from, to, cause }
  tx.after(() => {
    host.log.info({ stream: address, phase: to, from, cause }, 'stream changed its state')
    host.telemetry.emit(streamPhase, told)
  })
}

/** Takes out all that is kept of a stream here. */
export async function drop(tx: Tx, stream: LiveStream): Promise<void> {
  await streams.delete(tx, stream.address)
  await streamIds.delete(tx, stream.id)
  if (stream.keyHash) await streamKeys.delete(tx, stream.keyHash)
  if (stream.hostGrant) await tx.removeEvent(stream.hostGrant)
}
