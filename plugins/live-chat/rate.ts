/** A token bucket for each key: `ratePerSecond` on average, `burst` at once. Forgets full buckets. */
export function rateLimiter(options: { ratePerSecond: number; burst: number; maxKeys: number }) {
  const { ratePerSecond, burst, maxKeys } = options
  const buckets = new Map<string, { tokens: number; at: number }>()
  const level = (bucket: { tokens: number; at: number }, now: number) =>
    Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * ratePerSecond)

  /** Takes one token; false when there is none. `now` is unix ms. */
  return (key: string, now: number): boolean => {
    const bucket = buckets.get(key)
    const tokens = bucket ? level(bucket, now) : burst
    if (tokens < 1) return false
    if (!bucket && buckets.size >= maxKeys) {
      for (const [old, value] of buckets) if (level(value, now) >= burst) buckets.delete(old)
      // Still full of busy keys: refusing strangers beats forgetting who is loud.
      if (buckets.size >= maxKeys) return false
    }
    buckets.set(key, { tokens: tokens - 1, at: now })
    return true
  }
}
