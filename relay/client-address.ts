import type { IncomingMessage } from 'node:http'
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

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

/** `[2001:DB8::1]:443` is 2001:db8::1, `::ffff:192.0.2.7` and `192.0.2.7:80` are 192.0.2.7; undefined for no address. */
function addressOf(entry: string): string | undefined {
  const text = entry.trim().replaceAll('"', '')
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  if (isIPv4(bare)) return bare
  // A zone (fe80::1%eth0) is the writer's own affair.
  const [plain = ''] = bare.split('%')
  if (!isIPv6(plain)) return undefined
  const { address } = new SocketAddress({ address: plain, family: 'ipv6' })
  return /^::ffff:([\d.]+)$/.exec(address)?.[1] ?? address
}
