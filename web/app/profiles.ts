import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Relay } from '../../client/relay.ts'
import { kinds, type NostrEvent } from '../../events/index.ts'
import { pictureUrl, shortKey } from './format.ts'

/** How a person is shown. */
export interface Profile {
  readonly name: string
  readonly picture?: string
}

export type Profiles = (pubkey: string) => ReadonlySignal<Profile>

/** Names and pictures (kind 0), asked for in one REQ for all that are first needed at the same time. */
export function profiles(relay: Relay): Profiles {
  const known = new Map<string, Signal<Profile>>()
  const wanted = new Set<string>()

  function ask(): void {
    const authors = [...wanted]
    wanted.clear()
    relay
      .query([{ kinds: [kinds.Profile], authors }])
      .then(events => {
        for (const event of events) {
          const profile = known.get(event.pubkey)
          if (profile) profile.value = read(event)
        }
      })
      // Without it people are shown by their keys.
      .catch(() => {})
  }

  return pubkey => {
    const found = known.get(pubkey)
    if (found) return found
    const profile = signal<Profile>({ name: shortKey(pubkey) })
    known.set(pubkey, profile)
    if (wanted.size === 0) setTimeout(ask, 30)
    wanted.add(pubkey)
    return profile
  }
}

function read(event: NostrEvent): Profile {
  const fallback = { name: shortKey(event.pubkey) }
  try {
    const said = JSON.parse(event.content) as Record<string, unknown>
    const name = [said.display_name, said.name].find(
      (text): text is string => typeof text === 'string' && text.trim() !== '',
    )
    const picture = typeof said.picture === 'string' ? pictureUrl(said.picture) : undefined
    return { name: name?.trim().slice(0, 60) ?? fallback.name, picture }
  } catch {
    return fallback
  }
}
