import { isIP } from 'node:net'
import { isInner } from '../../livepeer/gateway/addresses.ts'

/** Where an RTMP client connects, and what it says there. */
export interface TargetAddress {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  readonly app: string
  readonly tcUrl: string
  /** A secret. */
  readonly key: string
}

/**
 * Reads a target's address. Throws a sentence, without the key, for what is none and, unless `inner` is allowed, for an address
 * inside of this machine or its network; names are looked at when they are looked up.
 *
 * @example
 * readTarget('rtmp://live.example.com/app/abc', false) // { host: 'live.example.com', port: 1935, app: 'app', key: 'abc', ... }
 */
export function readTarget(url: string, inner: boolean): TargetAddress {
  if (!URL.canParse(url)) throw new Error('the address is no URL')
  const { protocol, hostname, port, pathname, search } = new URL(url)
  if (protocol !== 'rtmp:' && protocol !== 'rtmps:')
    throw new Error('the address needs rtmp:// or rtmps://')
  const host = hostname.replace(/^\[|\]$/g, '')
  const parts = pathname.slice(1).split('/')
  const key = `${parts.pop() ?? ''}${search}`
  const app = parts.join('/')
  if (host === '' || app === '' || key === '')
    throw new Error('the address needs a server, an application and a key: rtmp://server/app/key')
  if (!inner && isIP(host) && isInner(host))
    throw new Error(`${host} is inside this network, and nothing is sent there`)
  const secure = protocol === 'rtmps:'
  const place = port === '' ? hostname : `${hostname}:${port}`
  const tcUrl = `${protocol}//${place}/${app}`
  return { secure, host, port: Number(port || (secure ? 443 : 1935)), app, tcUrl, key }
}
