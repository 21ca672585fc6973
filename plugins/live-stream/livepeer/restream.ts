import type { Host } from '../../plugin.ts'
import type { RestreamTarget } from '../backend.ts'
import type { LivepeerApi, ProviderStream } from './provider/api.ts'
import { ownPrefix, providerRecords } from './record.ts'

/** A target's name at the provider: ours, because its address is not shown again once it is there. */
const targetName = (self: string, id: string, target: string): string =>
  `${ownPrefix(self)}${id}/${target}`

/** Our id of the target with that name there; undefined for one that is not ours. */
export const targetOf = (self: string, id: string, name: string): string | undefined =>
  name.startsWith(targetName(self, id, ''))
    ? name.slice(targetName(self, id, '').length)
    : undefined

/**
 * Has the provider send streams on (its multistream). What is there already is known by its name, so a repetition makes
 * nothing twice; targets that are not wanted any more are deleted with the address that they hold.
 */
export function restreamer(options: {
  host: Host
  api: LivepeerApi
  /** Runs alone among what is done to this stream. */
  alone<T>(id: string, work: () => Promise<T>): Promise<T>
}) {
  const { host, api, alone } = options

  return (id: string, targets: readonly RestreamTarget[]): Promise<void> =>
    alone(id, async () => {
      const record = await providerRecords.get(host.store, id)
      const there = record && (await api.get(record.providerId))
      // One that is made later is told again then.
      if (!there) return
      const present = await presentIn(there, id)
      const kept = targets.flatMap(({ id: ours }) => present.get(ours) ?? [])
      const added = targets
        .filter(({ id: ours }) => !present.has(ours))
        .map(({ id: ours, url }) => ({ name: targetName(host.self, id, ours), url }))
      if (added.length === 0 && kept.length === countOf(there)) return
      await api.setTargets(there.id, kept, added)
      for (const [ours, theirs] of present)
        if (!targets.some(one => one.id === ours)) await api.deleteTarget(theirs)
    })

  /** Our id -> the provider's, of the targets that a stream has there. */
  async function presentIn(there: ProviderStream, id: string): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (const { id: theirs } of there.multistream?.targets ?? []) {
      const name = theirs && (await api.targetName(theirs))
      const ours = name ? targetOf(host.self, id, name) : undefined
      if (theirs && ours) found.set(ours, theirs)
    }
    return found
  }
}

const countOf = (there: ProviderStream): number => there.multistream?.targets?.length ?? 0
