import type { IncomingMessage } from 'node:http'
import { canonicalIp } from '../policies/source.ts'

/**
 * The client's address: the socket's, or the one that trusted proxies in front wrote into `header`. Each proxy appends
 * whom it saw, so the client stands `hops` entries from the right; what is further left the client wrote itself. A
 * header that is shorter, or has no address there, counts for nothing.
 *
 * @example
 * const ipOf = clientAddress({ header: 'x-forwarded-for', hops: 1 })
 * ipOf(request) // '192.0.2.7'
 */
export function clientAddress({ header, hops }: { header: string; hops: number }) {
  const name = header.toLowerCase()
  return (request: Pick<IncomingMessage, 'socket' | 'headers'>): string => {
    const own = request.socket.remoteAddress ?? ''
    const said = name === '' ? undefined : request.headers[name]
    const entries = said === undefined ? [] : [said].flat().join(',').split(',')
    return addressOf(entries.at(-hops) ?? '') ?? addressOf(own) ?? own
  }
}

/** An address without the port, brackets and quotes that proxies write around it; undefined for no address. */
function addressOf(entry: string): string | undefined {
  const text = entry.trim().replaceAll('"', '')
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1]
  const withPort = /^([\d.]+):\d+$/.exec(text)?.[1]
  return canonicalIp(bracketed ?? withPort ?? text)
}
