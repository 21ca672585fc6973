import { networkInterfaces } from 'node:os'
import type { Config } from './config/config.ts'

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']

export interface Urls {
  readonly ws: string
  readonly http: string
  /** NIP-42: is this relay meant? Compared with what is configured, never with the Host header. */
  isOurs(url: string): boolean
}

/** The relay's public addresses: relay.auth.serviceUrl, or where it listens. */
export function publicUrls(config: Config, port: number): Urls {
  const { bind } = config.relay
  const configured = config.relay.auth.serviceUrl
  const wildcard = bind === '0.0.0.0' || bind === '::'
  const listens = `ws://${wildcard ? '127.0.0.1' : bracketed(bind)}:${port}`
  const ws = (configured || listens).replace(/\/+$/, '')
  const ours = new Set([hostOf(ws)])
  if (!configured) {
    const reachable = wildcard
      ? [...LOOPBACK, ...ownAddresses()]
      : LOOPBACK.includes(bracketed(bind))
        ? LOOPBACK
        : [bracketed(bind)]
    for (const host of reachable) ours.add(hostOf(`ws://${host}:${port}`))
  }
  return {
    ws,
    http: ws.replace(/^ws/, 'http'),
    isOurs: url => {
      const host = hostOf(url)
      return host !== undefined && ours.has(host)
    },
  }
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap(list =>
    (list ?? []).map(({ address }) => bracketed(address)),
  )

function hostOf(url: string): string | undefined {
  try {
    const { protocol, host, port, hostname } = new URL(url)
    if (protocol !== 'ws:' && protocol !== 'wss:') return undefined
    return port ? host : `${hostname}:${protocol === 'wss:' ? 443 : 80}`
  } catch {
    return undefined
  }
}
