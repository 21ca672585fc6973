import { effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Relay, RelayStatus } from '../../client/relay.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { httpUrl, type RelayInfo, relayInfo } from '../../client/relay-info.ts'
import { type Identity, identity } from './identity.ts'
import { type Profiles, profiles } from './profiles.ts'
import { type Router, router } from './router.ts'
import { keep } from './storage.ts'

/** What every part of the pages may use. */
export interface App {
  readonly relay: Relay
  readonly status: ReadonlySignal<RelayStatus>
  /** Undefined until the relay has said who it is. */
  readonly info: ReadonlySignal<RelayInfo | undefined>
  readonly identity: Identity
  readonly profiles: Profiles
  readonly router: Router
  /** The relay's http(s) origin, for media and the API. */
  readonly origin: string
  /** Grows with each payment that no session knows of (tips): who shows a balance asks again. */
  readonly tips: Signal<number>
}

/** Connects the pages to a relay (ws or wss URL), for as long as the page is open. */
export function createApp(relayUrl: string): App {
  const me = identity(keep())
  const relay = new RelayClient(relayUrl, { trusted: true })
  const status = signal<RelayStatus>(relay.status)
  const info = signal<RelayInfo | undefined>(undefined)
  effect(() => relay.setSigner(me.signer.value))

  // Asked again with each connection until it is known: a relay may still be starting.
  const ask = () => {
    if (info.value) return
    relayInfo(relayUrl).then(
      found => {
        info.value = found
      },
      () => {},
    )
  }
  relay.onStatus(now => {
    status.value = now
    if (now === 'open') ask()
  })
  ask()
  const origin = new URL(httpUrl(relayUrl)).origin
  const parts = { identity: me, profiles: profiles(relay), router: router() }
  return { relay, status, info, ...parts, origin, tips: signal(0) }
}

export const AppContext = createContext<App | undefined>(undefined)

export function useApp(): App {
  const app = useContext(AppContext)
  if (!app) throw new Error('useApp is called outside of AppContext')
  return app
}
