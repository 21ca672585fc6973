import { type Host, streamViewers } from '../plugin.ts'
import type { MediaBackend } from './backend.ts'
import { endings } from './ending.ts'
import { follower } from './follow.ts'
import type { LiveStreamOptions } from './options.ts'
import { provisioning } from './provision.ts'
import type { HostSettings } from './settings.ts'
import { speaker } from './speaker.ts'
import { streamIds, streams } from './stream.ts'
import { troubles } from './trouble.ts'

/** What follows from announcements and from the media itself. Each may run twice and then does nothing new. */
export function reactions(
  host: Host,
  settings: LiveStreamOptions,
  backend: MediaBackend,
  hostSettings: HostSettings,
) {
  const { store } = host
  const speak = speaker(host)
  const noted = troubles(host)
  const made = provisioning({ host, settings, backend, hostSettings, troubles: noted })
  const media = follower({ host, settings, provisioning: made, hostSettings, troubles: noted })
  const ends = endings({ host, settings, backend, hostSettings, troubles: noted, speak })
  let deaf: (() => void) | undefined

  /** Who watches has changed: the companion says how many. */
  async function recount(id: string): Promise<void> {
    const found = await streamIds.get(store, id)
    const stream = found && (await streams.get(store, found.address))
    if (stream?.status !== 'live') return
    await store.transaction(tx => tx.enqueue({ name: 'companion', key: stream.address }))
  }

  return {
    ...media,
    changeKey: made.changeKey,
    deletion: ends.deletion,
    jobs: {
      ...ends.jobs,
      provision: made.provision,
      restream: made.restream,
      /** Brings our companion 30311 to what the stream's state asks for. */
      companion: ({ key }: { key: string }) => store.transaction(tx => speak(tx, key)),
    },
    async start(): Promise<void> {
      deaf = host.telemetry.on(streamViewers, ({ id }) => {
        recount(id).catch(cause => host.log.warn({ id, cause: String(cause) }, 'not recounted'))
      })
      await ends.start()
      // The backend may have been restarted with us, and keeps nothing of this.
      for (const { key, value } of await streams.list(store))
        if (value.status !== 'ended' && (await hostSettings.targetsOf(store, value)).length > 0)
          await store.transaction(tx => tx.enqueue({ name: 'restream', key }))
    },
    close: () => deaf?.(),
  }
}
export type Reactions = ReturnType<typeof reactions>
