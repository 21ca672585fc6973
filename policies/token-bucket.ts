/**
 * A bucket of tokens for each key: `ratePerSecond` on average, `burst` at once. Memory is bounded by `maxKeys`; a bucket
 * that is full again is forgotten.
 *
 * @example
 * const buckets = tokenBuckets({ ratePerSecond: 1, burst: 3, maxKeys: 100_000 })
 * buckets.take(ip, Date.now()) // false: wait a moment
 */
export function tokenBuckets(options: { ratePerSecond: number; burst: number; maxKeys: number }) {
  const { ratePerSecond, burst, maxKeys } = options
  if (!(ratePerSecond > 0) || !(burst >= 1) || !(maxKeys >= 1))
    throw new Error('token buckets need ratePerSecond above 0, burst and maxKeys of at least 1')
  // In the order of their last token: who has been quiet for longest stands in front.
  const buckets = new Map<string, Bucket>()
  const level = (bucket: Bucket, now: number): number =>
    Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * ratePerSecond)

  function makeRoom(now: number): boolean {
    let looked = 0
    for (const [key, bucket] of buckets) {
      if (level(bucket, now) >= burst) buckets.delete(key)
      looked += 1
      if (looked === LOOK_AT) break
    }
    return buckets.size < maxKeys
  }

  return {
    /** Takes one token of that key; false when there is none. `nowMs` is unix ms. */
    take(key: string, nowMs: number): boolean {
      const bucket = buckets.get(key)
      const tokens = bucket ? level(bucket, nowMs) : burst
      if (tokens < 1) return false
      if (bucket) {
        buckets.delete(key)
        bucket.tokens = tokens - 1
        bucket.at = Math.max(bucket.at, nowMs)
        buckets.set(key, bucket)
        return true
      }
      // Still full of busy keys: refusing strangers beats forgetting who is loud.
      if (buckets.size >= maxKeys && !makeRoom(nowMs)) return false
      buckets.set(key, { tokens: tokens - 1, at: nowMs })
      return true
    },
    /** How many keys are remembered. */
    size: (): number => buckets.size,
  }
}

export type TokenBuckets = ReturnType<typeof tokenBuckets>

interface Bucket {
  tokens: number
  at: number
}

/** How many buckets one new key may look at for room: a flood of new keys must not cost a walk each. */
const LOOK_AT = 16
