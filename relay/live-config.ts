import type { IncomingMessage } from 'node:http'
import { clientAddress } from './client-address.ts'
import type { Config, LoadedConfig } from './config/config.ts'
import { latest } from './latest.ts'

/** What is configured at the moment, and a client's address by it, for those who look when they need it: they meet a reload. */
export function liveConfig(now: () => LoadedConfig) {
  const live: Pick<Config, 'relay' | 'slowPluginMs'> = {
    get relay() {
      return now().config.relay
    },
    get slowPluginMs() {
      return now().config.slowPluginMs
    },
  }
  const address = latest(
    () => live.relay,
    relay => clientAddress({ header: relay.realIpHeader, hops: relay.realIpHops }),
  )
  return { live, ipOf: (request: IncomingMessage): string => address()(request) }
}
