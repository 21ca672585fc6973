import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { z } from 'zod'
import type { PolicyContext } from '../plugins/plugin.ts'

/** True for events that a client sent: imports, syncs and streams from other relays are nobody's pace. */
export const fromClient = ({ source }: Pick<PolicyContext, 'source'>): boolean =>
  source.type === 'IP4' || source.type === 'IP6'

/**
 * The one way to write an address, so that texts can be compared; undefined for what is none.
 *
 * @example
 * canonicalIp('2001:DB8:0::1') // '2001:db8::1'
 * canonicalIp('::ffff:192.0.2.7') // '192.0.2.7'
 */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text
  // A zone (fe80::1%eth0) is the writer's own affair.
  const [plain = ''] = text.split('%')
  if (!isIPv6(plain)) return undefined
  const { address } = new SocketAddress({ address: plain, family: 'ipv6' })
  return /^::ffff:([\d.]+)$/.exec(address)?.[1] ?? address
}

/**
 * What one customer holds of addresses: an IPv4 address, or an IPv6 /64.
 *
 * @example
 * networkOf('2001:db8::1') // '2001:db8:0:0'
 */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip
  // ::ffff:192.0.2.1 is an IPv4 address in the clothes of an IPv6 one.
  if (ip.includes('.')) return ip.slice(ip.lastIndexOf(':') + 1)
  const [head = '', tail] = ip.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  // `::` stands for as many zeros as are missing.
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array(zeros).fill('0'), ...after].slice(0, 4).join(':')
}

/** Addresses (`::1`) and networks (`10.0.0.0/8`) in strfry.conf; this machine itself where nothing is said. */
export const addressList = z
  .array(
    z.string().refine(text => split(text) !== undefined, 'needs addresses or networks, 10.0.0.0/8'),
  )
  .default(['127.0.0.1', '::1'])

/**
 * Whether an address is one of these, or in one of these networks.
 *
 * @example
 * isAmong(['::1', '10.0.0.0/8'])('10.1.2.3') // true
 */
export function isAmong(list: readonly string[]): (ip: string) => boolean {
  const single = new Set(list.flatMap(text => canonicalIp(text) ?? []))
  const networks = new BlockList()
  for (const text of list) {
    const { ip, bits } = split(text) ?? {}
    if (ip !== undefined && bits !== undefined) networks.addSubnet(ip, bits, family(ip))
  }
  if (networks.rules.length === 0) return ip => single.has(ip)
  return ip => single.has(ip) || (isIP(ip) !== 0 && networks.check(ip, family(ip)))
}

const family = (ip: string): 'ipv4' | 'ipv6' => (isIPv6(ip) ? 'ipv6' : 'ipv4')

/** The parts of an address or network; undefined for what is neither. */
function split(text: string): { ip: string; bits: number | undefined } | undefined {
  const [, ip = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  if (isIP(ip) === 0) return undefined
  if (digits === undefined) return { ip, bits: undefined }
  const bits = Number(digits)
  return bits <= (isIPv4(ip) ? 32 : 128) ? { ip, bits } : undefined
}
