import { kinds, type NostrEvent, tagsNamed } from '../../events/index.ts'
import type { Host, Tx } from '../plugin.ts'
import type { MediaBackend, MediaEvent } from './backend.ts'
import { companionTemplate, neededCompanion, publicUrl } from './companion.ts'
import { currentKey, hashKey, hostGrant, newStreamKey } from './host-grant.ts'
import { acceptsMedia, ended, sawMedia, stopped, wentLive } from './lifecycle.ts'
import type { LiveStreamOptions } from './options.ts'
import { type LiveStream, streamIds, streamKeys, streams } from './stream.ts'

type JobOf = { key: string }

/** What follows from announcements and from the media itself. Each may run twice and then does nothing new. */
export function reactions(host: Host, options: LiveStreamOptions, backend: MediaBackend) {
  const { store, clock, log } = host
  const seconds = () => Math.floor(clock.now() / 1000)

  /** A media stream at the backend, and its address with the host. */
  async function provision({ key: address }: JobOf): Promise<void> {
    const stream = await streams.get(store, address)
    if (!stream || !acceptsMedia(stream)) return
    const known = await currentKey(host, store, stream)
    const key = known ?? newStreamKey(host)
    const keyHash = hashKey(key)
    await backend.create({ id: stream.id, keyHash })
    await store.transaction(async tx => {
      const now = await streams.get(tx, address)
      if (!now) return
      await tx.enqueue({ name: 'companion', key: address })
      if (known) return
      const url = publicUrl(host.urls().http, stream.id)
      const validSeconds = options.hostGrantDays * 86_400
      const grant = hostGrant(host, now, backend.ingest(key), url, validSeconds)
      if (now.keyHash) await streamKeys.delete(tx, now.keyHash)
      await streamKeys.put(tx, keyHash, { address })
      await streams.put(tx, address, { ...now, keyHash, hostGrant: grant.id })
      await tx.putEvent(grant)
    })
    if (!known) log.info({ stream: address }, 'stream is ready, its host has the ingest details')
  }

  /** Brings our companion 30311 to what the stream's state asks for. */
  async function companion({ key: address }: JobOf): Promise<void> {
    await store.transaction(tx => speak(tx, address))
  }

  async function speak(tx: Tx, address: string): Promise<void> {
    const stream = await streams.get(tx, address)
    const status = stream && neededCompanion(stream)
    if (!stream || !status) return
    // Versions of an addressable event are told apart by their second: never publish two in one.
    const createdAt = Math.max(seconds(), (stream.companion?.createdAt ?? 0) + 1)
    const announcement = await tx.event(stream.announcement.id)
    const { http } = host.urls()
    const template = companionTemplate(stream, announcement, status, host.self, http, createdAt)
    await tx.putEvent(host.sign(template))
    await streams.put(tx, address, { ...stream, companion: { status, createdAt } })
    log.info({ stream: address, status }, 'companion announcement published')
  }

  /** Ends a stream whose media has not come back. */
  async function ghost({ key: address }: JobOf): Promise<void> {
    const stream = await finish(address, now => now.status === 'reconnecting')
    if (stream) await backend.end(stream.id)
  }

  /** Ends a stream because its host said so. */
  async function end({ key: address }: JobOf): Promise<void> {
    const stream = await finish(address, now => !acceptsMedia(now))
    if (stream) await backend.end(stream.id)
  }

  async function finish(address: string, still: (stream: LiveStream) => boolean) {
    return store.transaction(async tx => {
      const stream = await streams.get(tx, address)
      if (!stream || !still(stream)) return undefined
      await streams.put(tx, address, ended(stream, clock.now()))
      await speak(tx, address)
      log.info({ stream: address }, 'stream ended')
      return stream
    })
  }

  /** NIP-09: a host that deletes its announcement ends its stream. */
  async function deletion(event: NostrEvent): Promise<void> {
    const named = new Set(tagsNamed(event, 'a').map(tag => tag[1] ?? ''))
    const ids = new Set(tagsNamed(event, 'e').map(tag => tag[1] ?? ''))
    const mine = await streams.list(store, { prefix: `${kinds.LiveStream}:${event.pubkey}:` })
    for (const { key, value } of mine) {
      const said = value.announcement
      if (!ids.has(said.id) && !(named.has(key) && said.createdAt <= event.created_at)) continue
      await store.transaction(async tx => {
        const now = await streams.get(tx, key)
        if (!now || now.announcement.id !== said.id) return
        await streams.put(tx, key, { ...now, announcement: { ...said, status: 'ended' } })
        await tx.enqueue({ name: 'end', key })
      })
    }
  }

  // Media events come one by one and are applied one by one; one that fails is logged, the next heals it.
  let queue: Promise<void> = Promise.resolve()
  function media(event: MediaEvent): void {
    queue = queue
      .then(() => apply(event))
      .catch(error => log.error({ stream: event.id, error }, 'media state was not saved'))
  }

  async function apply(event: MediaEvent): Promise<void> {
    const found = await streamIds.get(store, event.id)
    if (!found) return
    const { address } = found
    await store.transaction(async tx => {
      const before = await streams.get(tx, address)
      if (!before) return
      if (!acceptsMedia(before)) {
        const flows = event.type === 'live' || event.type === 'progress'
        return flows ? tx.enqueue({ name: 'end', key: address }) : undefined
      }
      const after = follow(before, event)
      if (after === before) return
      await streams.put(tx, address, after)
      if (after.status === before.status) return
      const delay = after.status === 'live' ? options.companionWaitMs : options.ghostSeconds * 1000
      const name = after.status === 'live' ? 'companion' : 'ghost'
      await tx.enqueue({ name, key: address, runAt: clock.now() + delay })
      const cause = 'cause' in event ? event.cause : undefined
      log.info({ stream: address, status: after.status, cause }, 'stream changed its state')
    })
  }

  return { provision, companion, ghost, end, deletion, media, settled: () => queue }
}

function follow(stream: LiveStream, event: MediaEvent): LiveStream {
  switch (event.type) {
    case 'live':
      return wentLive(stream, event.at)
    case 'progress':
      return sawMedia(wentLive(stream, event.at), event.at)
    case 'idle':
    case 'error':
      return stopped(stream, event.at)
  }
}

/** After a restart no publisher is there yet: clocks that ran stop where media was last seen. */
export async function resumeStreams(host: Host, options: LiveStreamOptions): Promise<void> {
  for (const { key, value } of await streams.list(host.store)) {
    if (value.status !== 'live' && value.status !== 'reconnecting') continue
    await host.store.transaction(async tx => {
      await streams.put(tx, key, stopped(value, value.seenAt ?? host.clock.now()))
      const runAt = host.clock.now() + options.ghostSeconds * 1000
      await tx.enqueue({ name: 'ghost', key, runAt })
    })
  }
}
