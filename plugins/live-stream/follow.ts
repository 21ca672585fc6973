import type { Host, Tx } from '../plugin.ts'
import type { MediaEvent } from './backend.ts'
import { keep } from './keep.ts'
import { acceptsMedia, recorded, sawMedia, stopped, wentLive } from './lifecycle.ts'
import type { LiveStreamOptions } from './options.ts'
import type { Provisioning } from './provision.ts'
import { type HostSettings, restreamStates } from './settings.ts'
import { type LiveStream, streamIds, streams } from './stream.ts'
import { isTrouble, type Troubles } from './trouble.ts'

type Of<T extends MediaEvent['type']> = Extract<MediaEvent, { type: T }>

/** What the media's own state does to streams. */
export function follower(options: {
  host: Host
  settings: LiveStreamOptions
  provisioning: Provisioning
  hostSettings: HostSettings
  troubles: Troubles
}) {
  const { host, settings, provisioning, hostSettings, troubles } = options
  const { store, clock, log } = host

  // Media events come one by one and are applied one by one; one that fails is logged, the next heals it.
  let queue: Promise<void> = Promise.resolve()
  function media(event: MediaEvent): void {
    queue = queue
      .then(() => store.transaction(tx => follow(tx, event)))
      .catch(error => log.error({ stream: event.id, error }, 'media state was not saved'))
  }

  /** What a media event does to its stream, in the transaction that saves what caused it. */
  async function follow(tx: Tx, event: MediaEvent): Promise<void> {
    const found = await streamIds.get(tx, event.id)
    const before = found && (await streams.get(tx, found.address))
    if (!before) return
    if (event.type === 'recording') return rememberRecording(tx, before, event)
    if (event.type === 'picture') return rememberPicture(tx, before, event)
    if (event.type === 'health') return rememberHealth(tx, before, event)
    if (event.type === 'restream') return rememberRestream(tx, before, event)
    return move(tx, before, event)
  }

  async function rememberRecording(tx: Tx, before: LiveStream, event: Of<'recording'>) {
    await keep(tx, host, before, recorded(before, event))
    await tx.enqueue({ name: 'companion', key: before.address })
  }

  async function rememberPicture(tx: Tx, before: LiveStream, { url }: Of<'picture'>) {
    if (before.picture === url) return
    await streams.put(tx, before.address, { ...before, picture: url })
    const runAt = clock.now() + settings.companionWaitMs
    await tx.enqueue({ name: 'companion', key: before.address, runAt })
  }

  async function rememberHealth(tx: Tx, before: LiveStream, { problem }: Of<'health'>) {
    if (problem !== undefined && problem !== before.problem)
      await troubles.note(tx, before, 'health', problem)
    await streams.put(tx, before.address, await provisioning.advise(tx, before, problem))
  }

  async function rememberRestream(tx: Tx, before: LiveStream, event: Of<'restream'>) {
    const { target, state, problem, at } = event
    const wanted = (await hostSettings.targetsOf(tx, before)).find(one => one.id === target)
    const key = `${before.id}/${target}`
    // What is said late does not undo what was said of later.
    if (!wanted || ((await restreamStates.get(tx, key))?.at ?? 0) > at) return
    await restreamStates.put(tx, key, { state, problem, at })
    if (state !== 'failed') return
    const cause = problem ?? 'the other side did not take it'
    await troubles.note(tx, before, 'restream', `sending on to ${wanted.name}: ${cause}`)
  }

  async function move(
    tx: Tx,
    before: LiveStream,
    event: Of<'live' | 'progress' | 'idle' | 'error'>,
  ) {
    const { address } = before
    const flows = event.type === 'live' || event.type === 'progress'
    if (!acceptsMedia(before)) return flows ? tx.enqueue({ name: 'end', key: address }) : undefined
    const cause = flows ? undefined : event.cause
    const trouble = cause !== undefined && isTrouble(cause) ? cause : undefined
    if (trouble) await troubles.note(tx, before, 'media', trouble)
    const moved = flows ? sawMedia(wentLive(before, event.at), event.at) : stopped(before, event.at)
    const begins = flows && moved.status !== before.status
    const after = trouble || begins ? await provisioning.advise(tx, moved, trouble) : moved
    if (after === before) return
    await keep(tx, host, before, after, cause)
    if (after.status === before.status) return
    const delay = after.status === 'live' ? settings.companionWaitMs : settings.ghostSeconds * 1000
    const name = after.status === 'live' ? 'companion' : 'ghost'
    await tx.enqueue({ name, key: address, runAt: clock.now() + delay })
  }

  return { media, follow, settled: () => queue }
}

/** After a restart no publisher is there yet: clocks that ran stop where media was last seen. */
export async function resumeStreams(host: Host, settings: LiveStreamOptions): Promise<void> {
  for (const { value } of await streams.list(host.store)) {
    if (value.status !== 'live' && value.status !== 'reconnecting') continue
    await host.store.transaction(async tx => {
      const after = stopped(value, value.seenAt ?? host.clock.now())
      await keep(tx, host, value, after, 'the relay was restarted')
      const runAt = host.clock.now() + settings.ghostSeconds * 1000
      await tx.enqueue({ name: 'ghost', key: value.address, runAt })
    })
  }
}
