import { audiences } from '../playback/viewers.ts'
import type { Host, Tx } from '../plugin.ts'
import { companionTemplate, neededCompanion, ownImage, publicRecording } from './companion.ts'
import { streams } from './stream.ts'

/** Publishes our companion 30311, or takes it back, as the stream's state asks for. */
export function speaker(host: Host) {
  return async (tx: Tx, address: string): Promise<void> => {
    const stream = await streams.get(tx, address)
    if (!stream) return
    const at = Math.floor(host.clock.now() / 1000)
    const counted = await audiences.get(tx, stream.id)
    const viewers = counted && { concurrent: counted.concurrent, total: counted.total }
    const watched = { at, ...(viewers ?? { concurrent: 0, total: 0 }) }
    const status = neededCompanion(stream, watched)
    if (!status) return
    // Versions of an addressable event are told apart by their second: never publish two in one.
    const createdAt = Math.max(at, (stream.companion?.createdAt ?? 0) + 1)
    const announcement = await tx.event(stream.announcement.id)
    const { http } = host.urls()
    await tx.putEvent(
      host.sign(
        companionTemplate(
          stream,
          announcement,
          status,
          host.self,
          http,
          createdAt,
          viewers && watched,
        ),
      ),
    )
    const recording = status === 'ended' ? publicRecording(stream) : undefined
    const companion = { status, createdAt, recording, viewers, image: ownImage(stream) }
    await streams.put(tx, address, { ...stream, companion })
    if (stream.companion?.status !== status)
      host.log.info({ stream: address, status }, 'companion announcement published')
  }
}
export type Speaker = ReturnType<typeof speaker>
