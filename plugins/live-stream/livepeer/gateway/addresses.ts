import { lookup as dnsLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** Addresses that are nobody's business from outside: loopback, private, link-local, reserved, multicast (RFC 6890). */
const inner = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inner.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  inner.addSubnet(net, bits, 'ipv6')

/** True for an address inside this machine or its network, also when it is dressed up as IPv6. */
export function isInner(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return inner.check(address, 'ipv4')
  if (family !== 6) return true
  // BlockList matches ::ffff:a.b.c.d against the IPv4 rules by itself.
  return inner.check(address, 'ipv6')
}

/** True when `host` is one of `allowed`; `*.example.com` allows all below it. */
export function isAllowed(host: string, allowed: readonly string[]): boolean {
  return allowed.some(one => (one.startsWith('*.') ? host.endsWith(one.slice(1)) : host === one))
}

/** A lookup for `http.request` that refuses inner addresses at the very moment of connecting, so that no answer of DNS gets round it. */
export const outerLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0)
    const [first] = addresses
    if (!first || addresses.some(({ address }) => isInner(address)))
      return callback(new Error(`${hostname} is not an address outside`), '', 0)
    // Node asks for all of them when it races IPv4 with IPv6.
    if (options.all) return callback(null, addresses)
    callback(null, first.address, first.family)
  })
}
