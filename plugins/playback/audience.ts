/** How long an address counts as watching after its last request, ms. */
const LINGER_MS = 30_000

/**
 * Who fetches media with which ticket: caps how many addresses share one paid session.
 * Kept in memory: after a restart everybody is counted anew.
 */
export function audience(maxAddresses: number) {
  const seen = new Map<string, Map<string, number>>()

  function present(key: string, now: number): Map<string, number> {
    const addresses = seen.get(key) ?? new Map<string, number>()
    for (const [ip, at] of addresses) if (now - at > LINGER_MS) addresses.delete(ip)
    return addresses
  }

  return {
    /** Notes the request; false when that many other addresses are using the session already. */
    admit(key: string, ip: string, now: number): boolean {
      const addresses = present(key, now)
      if (!addresses.has(ip) && addresses.size >= maxAddresses) return false
      addresses.set(ip, now)
      seen.set(key, addresses)
      return true
    },
    /** How many addresses fetch media at `now`; forgets those that stopped. */
    count(now: number): number {
      let total = 0
      for (const key of seen.keys()) {
        const addresses = present(key, now)
        if (addresses.size === 0) seen.delete(key)
        total += addresses.size
      }
      return total
    },
  }
}
