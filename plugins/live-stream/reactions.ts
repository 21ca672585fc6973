import { type Ingest, kinds, type NostrEvent, tagsNamed } from '../../events/index.ts'
import type { Host, Tx } from '../plugin.ts'
import { type MediaBackend, type MediaEvent, MediaUnavailable } from './backend.ts'
import {
  companionTemplate,
  neededCompanion,
  ownImage,
  publicRecording,
  publicUrl,
} from './companion.ts'
import { currentGrant, hashKey, newStreamKey, tellHost } from './host-grant.ts'
import { acceptsMedia, ended, recorded, sawMedia, stopped, wentLive } from './lifecycle.ts'
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
    const known = (await currentGrant(host, store, stream))?.ingest
    const { id, title } = stream
    const wanted = { id, title, key: known?.rtmp.key ?? newStreamKey(host) }
    const outcome = await backend.create(wanted).catch(unavailable)
    await store.transaction(async tx => {
      const now = await streams.get(tx, address)
      if (!now) return
      // The host has ended it meanwhile, and that job found nothing to end yet.
      if (!acceptsMedia(now)) return tx.enqueue({ name: 'end', key: address })
      if (outcome instanceof MediaUnavailable) return postpone(tx, now, outcome)
      await tx.enqueue({ name: 'companion', key: address })
      await take(tx, now, outcome)
    })
  }

  /** The host learns where to send media; its key opens nothing but this stream. */
  async function take(tx: Tx, stream: LiveStream, ingest: Ingest): Promise<void> {
    const keyHash = hashKey(ingest.rtmp.key)
    if (stream.keyHash && stream.keyHash !== keyHash) await streamKeys.delete(tx, stream.keyHash)
    await streamKeys.put(tx, keyHash, { address: stream.address })
    const known = { ...stream, keyHash }
    const told = await tellHost(tx, host, known, { ingest, playbackUrl: urlOf(stream) }, grantFor)
    await streams.put(tx, stream.address, told)
    if (told.hostGrant !== stream.hostGrant)
      log.info({ stream: stream.address }, 'stream is ready, its host has the ingest details')
  }

  /** The backend cannot now: asked again when it says so, and the host hears why it waits. */
  async function postpone(tx: Tx, stream: LiveStream, why: MediaUnavailable): Promise<void> {
    const { address } = stream
    const runAt = Math.max(why.retryAt, clock.now() + 100)
    await tx.enqueue({ name: 'provision', key: address, runAt })
    log.warn({ stream: address, cause: why.message, retryAt: runAt }, 'stream has to wait')
    if (why.problem === undefined) return
    const before = await currentGrant(host, tx, stream)
    const said = { playbackUrl: urlOf(stream), problem: why.problem }
    const content = before?.ingest ? { ingest: before.ingest, ...said } : said
    await streams.put(tx, address, await tellHost(tx, host, stream, content, grantFor))
  }

  /** Says beside the ingest details what is wrong with the media that comes in. */
  async function advise(tx: Tx, stream: LiveStream, problem: string | undefined): Promise<void> {
    const told = await currentGrant(host, tx, stream)
    if (!told?.ingest) return
    const { ingest, playbackUrl } = told
    const content =
      problem === undefined ? { ingest, playbackUrl } : { ingest, playbackUrl, problem }
    await streams.put(tx, stream.address, await tellHost(tx, host, stream, content, grantFor))
  }

  const grantFor = options.hostGrantDays * 86_400
  const urlOf = (stream: LiveStream) => publicUrl(host.urls().http, stream.id)

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
    const recording = status === 'ended' ? publicRecording(stream) : undefined
    await streams.put(tx, address, {
      ...stream,
      companion: { status, createdAt, recording, image: ownImage(stream) },
    })
    log.info({ stream: address, status }, 'companion announcement published')
  }

  /** Ends a stream whose media has not come back. */
  async function ghost({ key: address }: JobOf): Promise<void> {
    const stream = await finish(address, now => now.status === 'reconnecting')
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
    if (!later) return
    await store.transaction(tx =>
      tx.enqueue({ name: job, key: stream.address, runAt: later.retryAt }),
    )
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

  const apply = (event: MediaEvent) => store.transaction(tx => follow(tx, event))

  /** What a media event does to its stream, in the transaction that saves what caused it. */
  async function follow(tx: Tx, event: MediaEvent): Promise<void> {
    const found = await streamIds.get(tx, event.id)
    const before = found && (await streams.get(tx, found.address))
    if (!before) return
    const { address } = before
    if (event.type === 'recording') {
      await streams.put(tx, address, recorded(before, event))
      return tx.enqueue({ name: 'companion', key: address })
    }
    if (event.type === 'picture') {
      if (before.picture === event.url) return
      await streams.put(tx, address, { ...before, picture: event.url })
      const runAt = clock.now() + options.companionWaitMs
      return tx.enqueue({ name: 'companion', key: address, runAt })
    }
    if (event.type === 'health') return advise(tx, before, event.problem)
    if (event.type === 'restream') return
    if (!acceptsMedia(before)) {
      const flows = event.type === 'live' || event.type === 'progress'
      return flows ? tx.enqueue({ name: 'end', key: address }) : undefined
    }
    const after = moved(before, event)
    if (after === before) return
    await streams.put(tx, address, after)
    if (after.status === before.status) return
    const delay = after.status === 'live' ? options.companionWaitMs : options.ghostSeconds * 1000
    const name = after.status === 'live' ? 'companion' : 'ghost'
    await tx.enqueue({ name, key: address, runAt: clock.now() + delay })
    const cause = 'cause' in event ? event.cause : undefined
    log.info({ stream: address, status: after.status, cause }, 'stream changed its state')
  }

  return { provision, companion, ghost, end, deletion, media, follow, settled: () => queue }
}

function moved(
  stream: LiveStream,
  event: Exclude<MediaEvent, { type: 'recording' | 'picture' | 'health' | 'restream' }>,
): LiveStream {
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

export type Reactions = ReturnType<typeof reactions>

/** Anything else than "not now" is a broken world. */
function unavailable(error: unknown): MediaUnavailable {
  if (error instanceof MediaUnavailable) return error
  throw error
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
