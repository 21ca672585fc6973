import { kinds, type NostrEvent, tagsNamed } from '../../events/index.ts'
import type { Host } from '../plugin.ts'
import { type MediaBackend, unavailable } from './backend.ts'
import { drop, keep } from './keep.ts'
import { acceptsMedia, archived, deletedByHost, ended } from './lifecycle.ts'
import type { LiveStreamOptions } from './options.ts'
import type { HostSettings } from './settings.ts'
import type { Speaker } from './speaker.ts'
import { type LiveStream, streams } from './stream.ts'
import { streamErrors, type Troubles } from './trouble.ts'

type JobOf = { key: string }

const HOUR_MS = 3_600_000
const EVERY_MS = HOUR_MS

/** How streams end: by their hosts, by themselves, and in the archive. */
export function endings(options: {
  host: Host
  settings: LiveStreamOptions
  backend: MediaBackend
  hostSettings: HostSettings
  troubles: Troubles
  speak: Speaker
}) {
  const { host, settings, backend, hostSettings, troubles, speak } = options
  const { store, clock, log } = host

  /** Ends a stream whose media has not come back. */
  async function ghost({ key: address }: JobOf): Promise<void> {
    const cause = `no media came back for ${settings.ghostSeconds} s`
    // Ended already: this job again, because the backend could not let go of it.
    const isGhost = (now: LiveStream) =>
      now.status === 'reconnecting' || (now.status === 'ended' && acceptsMedia(now))
    const stream = await finish(address, isGhost, cause)
    if (stream) await release(stream, 'ghost', true)
  }

  /** Ends a stream because its host said so. */
  async function end({ key: address }: JobOf): Promise<void> {
    const stream = await finish(address, now => !acceptsMedia(now))
    if (stream) await release(stream, 'end', false)
  }

  /** The backend lets go of it, now or when it can. */
  async function release(stream: LiveStream, job: string, mayReturn: boolean): Promise<void> {
    const later = await backend.end(stream.id, { mayReturn }).catch(unavailable)
    if (later) return again(job, stream.address, later.retryAt)
    if (stream.deletedAt !== undefined)
      await store.transaction(tx => tx.enqueue({ name: 'forget', key: stream.id }))
  }

  const again = (name: string, key: string, runAt: number) =>
    store.transaction(tx => tx.enqueue({ name, key, runAt }))

  /** `cause`: why, where it is not the host's own wish. */
  async function finish(
    address: string,
    still: (stream: LiveStream) => boolean,
    cause?: string,
  ): Promise<LiveStream | undefined> {
    return store.transaction(async tx => {
      const stream = await streams.get(tx, address)
      if (!stream || !still(stream)) return undefined
      await keep(tx, host, stream, ended(stream, clock.now()), cause ?? 'its host ended it')
      if (cause && stream.status !== 'ended') await troubles.note(tx, stream, 'media', cause)
      await speak(tx, address)
      return stream
    })
  }

  /** NIP-09: who deletes an announcement ends the stream, and nothing of it is shown any more; settings are deleted alike. */
  async function deletion(event: NostrEvent): Promise<void> {
    const named = new Set(tagsNamed(event, 'a').map(tag => tag[1] ?? ''))
    const ids = new Set(tagsNamed(event, 'e').map(tag => tag[1] ?? ''))
    const mine = await streams.list(store, { prefix: `${kinds.LiveStream}:${event.pubkey}:` })
    for (const { key, value } of mine) {
      if (ids.size > 0) await store.transaction(tx => hostSettings.withdraw(tx, value, ids))
      const said = value.announcement
      if (!ids.has(said.id) && !(named.has(key) && said.createdAt <= event.created_at)) continue
      await store.transaction(async tx => {
        const now = await streams.get(tx, key)
        if (!now || now.announcement.id !== said.id) return
        const gone = deletedByHost(now, clock.now())
        await keep(tx, host, now, gone, 'its host deleted the announcement')
        await hostSettings.forget(tx, gone)
        await tx.enqueue({ name: 'end', key })
      })
    }
  }

  /** The backend keeps nothing of a deleted stream. */
  async function forget({ key: id }: JobOf): Promise<void> {
    const later = await backend.forget?.(id).then(() => undefined, unavailable)
    if (later) await again('forget', id, later.retryAt)
  }

  /** Once an hour: planned streams that never came, ended ones into the archive, and out of it; old errors go. */
  async function retention(): Promise<void> {
    for (const { value } of await streams.list(store)) await retire(value)
    await forgetErrors(clock.now() - settings.retention.errorDays * 24 * HOUR_MS)
    await again('retention', 'all', clock.now() + EVERY_MS)
  }

  async function retire(stream: LiveStream): Promise<void> {
    const now = clock.now()
    const { address } = stream
    if (stream.status === 'planned') {
      const due = Math.max(stream.announcement.createdAt, stream.starts ?? 0) * 1000
      if (now - due < settings.plannedHours * HOUR_MS) return
      const cause = `no media came within ${settings.plannedHours} hours of its start`
      const over = await finish(address, ({ status }) => status === 'planned', cause)
      if (over) await release(over, 'ghost', true)
    } else if (stream.status === 'ended') {
      if (now - (stream.endedAt ?? 0) < settings.retention.endedHours * HOUR_MS) return
      if (stream.archivedAt === undefined) await putAway(address)
      else await letGo(address)
    }
  }

  /** Into the archive: the backend lets go of it for good; its recording and its host's key stay. */
  async function putAway(address: string): Promise<void> {
    const stream = await store.transaction(async tx => {
      const now = await streams.get(tx, address)
      if (now?.status !== 'ended' || now.archivedAt !== undefined) return undefined
      const { problem: _, ...rest } = now
      await keep(tx, host, now, archived(rest, clock.now()))
      return now
    })
    if (stream) await release(stream, 'end', false)
  }

  /** Out of the archive, once there is nothing left that somebody could come back to. */
  async function letGo(address: string): Promise<void> {
    await store.transaction(async tx => {
      const now = await streams.get(tx, address)
      if (now?.archivedAt === undefined) return
      const granted = now.hostGrant !== undefined && (await tx.event(now.hostGrant)) !== undefined
      if (now.deletedAt === undefined && (granted || now.recording !== undefined)) return
      await hostSettings.forget(tx, now)
      await drop(tx, now)
      tx.after(() => log.info({ stream: address }, 'stream forgotten'))
    })
  }

  async function forgetErrors(before: number): Promise<void> {
    for (const { key, value } of await streamErrors.list(store))
      if (value.lastAt < before) await store.transaction(tx => streamErrors.delete(tx, key))
  }

  return {
    deletion,
    jobs: { ghost, end, forget, retention },
    /** Looks again once an hour, and soon after each start. */
    start: () => again('retention', 'all', clock.now() + 1000),
  }
}
