import type { PolicyContext } from '../plugins/plugin.ts'

/** True for events that a client sent: imports, syncs and streams from other relays are nobody's pace. */
export const fromClient = ({ source }: Pick<PolicyContext, 'source'>): boolean =>
  source.type === 'IP4' || source.type === 'IP6'

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
