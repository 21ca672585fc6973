import type { HostGrant, Ingest } from '../../events/index.ts'
import { type Host, streamReady, type Tx } from '../plugin.ts'
import { type MediaBackend, MediaUnavailable, unavailable } from './backend.ts'
import { publicUrl } from './companion.ts'
import { currentGrant, hashKey, newStreamKey, tellHost } from './host-grant.ts'
import { keep } from './keep.ts'
import { acceptsMedia } from './lifecycle.ts'
import type { LiveStreamOptions } from './options.ts'
import type { HostSettings } from './settings.ts'
import { type LiveStream, streamKeys, streams } from './stream.ts'
import type { Troubles } from './trouble.ts'

type JobOf = { key: string }

/** From an announcement to a stream at the backend, and what its host hears of it. */
export function provisioning(options: {
  host: Host
  settings: LiveStreamOptions
  backend: MediaBackend
  hostSettings: HostSettings
  troubles: Troubles
}) {
  const { host, backend, hostSettings, troubles } = options
  const { store, clock, log } = host
  const grantFor = options.settings.hostGrantDays * 86_400
  const urlOf = (stream: LiveStream) => publicUrl(host.urls().http, stream.id)

  /** A media stream at the backend, and its address with the host. */
  async function provision({ key: address }: JobOf): Promise<void> {
    const stream = await streams.get(store, address)
    if (!stream || !acceptsMedia(stream)) return
    const outcome = await (stream.newKey ? another(stream) : same(stream)).catch(unavailable)
    await store.transaction(async tx => {
      const now = await streams.get(tx, address)
      if (!now) return
      // The host has ended it meanwhile, and that job found nothing to end yet.
      if (!acceptsMedia(now)) return tx.enqueue({ name: 'end', key: address })
      // The host has asked for another key meanwhile: this one is the old one.
      if (now.newKey && !stream.newKey) return tx.enqueue({ name: 'provision', key: address })
      if (outcome instanceof MediaUnavailable) return postpone(tx, now, outcome)
      await tx.enqueue({ name: 'companion', key: address })
      await take(tx, now, outcome)
    })
  }

  /** The stream with the key that its host has, where it has one. */
  async function same(stream: LiveStream): Promise<Ingest> {
    const known = (await currentGrant(host, store, stream))?.ingest
    const { id, title } = stream
    return backend.create({ id, title, key: known?.rtmp.key ?? newStreamKey(host) })
  }

  async function another({ id, title }: LiveStream): Promise<Ingest> {
    const wanted = { id, title, key: newStreamKey(host) }
    return backend.rotateKey ? backend.rotateKey(wanted) : backend.create(wanted)
  }

  /** The host learns where to send media; its key opens nothing but this stream. */
  async function take(tx: Tx, stream: LiveStream, ingest: Ingest): Promise<void> {
    const keyHash = hashKey(ingest.rtmp.key)
    if (stream.keyHash && stream.keyHash !== keyHash) await streamKeys.delete(tx, stream.keyHash)
    await streamKeys.put(tx, keyHash, { address: stream.address })
    const { newKey: _, problem: __, ...rest } = stream
    const told = await tell(tx, { ...rest, keyHash }, { ingest, playbackUrl: urlOf(stream) })
    await keep(tx, host, stream, told)
    if (told.hostGrant === stream.hostGrant) return
    if ((await hostSettings.targetsOf(tx, told)).length > 0)
      await tx.enqueue({ name: 'restream', key: stream.address })
    const { address, id, host: by } = stream
    tx.after(() => {
      log.info({ stream: address }, 'stream is ready, its host has the ingest details')
      host.telemetry.emit(streamReady, { address, id, host: by, at: clock.now() })
    })
  }

  const tell = (tx: Tx, stream: LiveStream, content: Parameters<typeof tellHost>[3]) =>
    tellHost(tx, host, stream, content, grantFor)

  /** The backend cannot now: asked again when it says so, and the host hears why it waits. */
  async function postpone(tx: Tx, stream: LiveStream, why: MediaUnavailable): Promise<void> {
    const { address } = stream
    const runAt = Math.max(why.retryAt, clock.now() + 100)
    await tx.enqueue({ name: 'provision', key: address, runAt })
    log.warn({ stream: address, cause: why.message, retryAt: runAt }, 'stream has to wait')
    if (why.problem === undefined) return
    await troubles.note(tx, stream, 'provider', why.problem)
    const before = await currentGrant(host, tx, stream)
    const said = { playbackUrl: urlOf(stream), problem: why.problem }
    const content = before?.ingest ? { ingest: before.ingest, ...said } : said
    const told = await tell(tx, stream, content)
    await keep(tx, host, stream, { ...told, problem: why.problem })
  }

  /** Says beside the ingest details what is wrong with the media that comes in; gives the stream as it is then. */
  async function advise(
    tx: Tx,
    stream: LiveStream,
    problem: string | undefined,
  ): Promise<LiveStream> {
    if (stream.problem === problem) return stream
    const { problem: _, ...rest } = stream
    const after = problem === undefined ? rest : { ...rest, problem }
    const told = await currentGrant(host, tx, stream)
    if (!told?.ingest) return after
    const { ingest, playbackUrl } = told
    const content: HostGrant = {
      ingest,
      playbackUrl,
      ...(problem === undefined ? {} : { problem }),
    }
    return tell(tx, after, content)
  }

  /** The host's key is refused from now on, and another is on its way. */
  async function changeKey(tx: Tx, stream: LiveStream): Promise<void> {
    if (stream.keyHash) await streamKeys.delete(tx, stream.keyHash)
    const { keyHash: _, ...rest } = stream
    await streams.put(tx, stream.address, { ...rest, newKey: true })
    await tx.enqueue({ name: 'provision', key: stream.address })
  }

  /** Tells the backend where the stream is sent on to. */
  async function restream({ key: address }: JobOf): Promise<void> {
    const stream = await streams.get(store, address)
    if (!stream?.keyHash || !acceptsMedia(stream) || !backend.restream) return
    const targets = await hostSettings.targetsOf(store, stream)
    const later = await backend.restream(stream.id, targets).then(() => undefined, unavailable)
    if (!later) return
    await store.transaction(async tx => {
      await tx.enqueue({ name: 'restream', key: address, runAt: later.retryAt })
      if (later.problem) await troubles.note(tx, stream, 'restream', later.problem)
    })
  }

  return { provision, restream, advise, changeKey }
}
export type Provisioning = ReturnType<typeof provisioning>
