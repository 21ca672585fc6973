import { z } from 'zod'
import { sessionKinds } from '../events/index.ts'
import { accept, definePolicy, type Policy, type PolicyContext, reject } from '../plugins/plugin.ts'
import { kindList } from './pubkeys.ts'
import { addressList, fromClient, isAmong, networkOf } from './source.ts'
import { type TokenBuckets, tokenBuckets } from './token-bucket.ts'

/** Events a second on average, and at once. A rate of 0 is no limit. */
export interface Rate {
  readonly ratePerSecond: number
  readonly burst: number
}

const rate = (ratePerSecond: number, burst: number) =>
  z.object({
    ratePerSecond: z.number().min(0).default(ratePerSecond),
    burst: z.int().min(1).default(burst),
  })

const options = z.object({
  /** Of one IPv4 address or IPv6 /64. */
  perIp: rate(50, 500).prefault({}),
  perPubkey: rate(20, 200).prefault({}),
  /** Any names; each a rate of one pubkey over the kinds of its list. */
  perKind: z.record(z.string(), rate(1, 10).extend({ kinds: kindList })).default({}),
  /** Reads (REQ, COUNT) of one IPv4 address or IPv6 /64; no limit unless set. */
  reads: rate(0, 200).prefault({}),
  /** Addresses and networks that no rate holds for. */
  exempt: addressList,
  /** Kinds that no rate holds for: payments come as often as they are due, and a connector brings those of many. */
  exemptKinds: kindList.default([...sessionKinds]),
  /** How many addresses and pubkeys are remembered. */
  maxKeys: z.int().min(1).default(100_000),
})

/**
 * The pace of clients, by address, author and kind; imports and syncs are not slowed down. `now` gives unix ms.
 *
 * @example
 * rateLimit({ perIp: { ratePerSecond: 10, burst: 200 }, perKind: { dms: { kinds: [4], ratePerSecond: 0.1, burst: 5 } } })
 */
export function rateLimit(limits: {
  readonly perIp?: Rate
  readonly perPubkey?: Rate
  readonly perKind?: Readonly<Record<string, Rate & { readonly kinds: readonly number[] }>>
  readonly reads?: Rate
  readonly exempt?: readonly string[]
  readonly exemptKinds?: readonly number[]
  readonly maxKeys?: number
  readonly now?: () => number
}): Policy {
  const { maxKeys = 100_000, now = Date.now, exempt = [], exemptKinds = [] } = limits
  const buckets = (one: Rate | undefined): TokenBuckets | undefined =>
    one && one.ratePerSecond > 0 ? tokenBuckets({ ...one, maxKeys }) : undefined
  const byIp = buckets(limits.perIp)
  const byPubkey = buckets(limits.perPubkey)
  const readsByIp = buckets(limits.reads)
  const byKind = Object.values(limits.perKind ?? {}).flatMap(rule => {
    const made = buckets(rule)
    return made ? [{ kinds: new Set(rule.kinds), buckets: made, rule }] : []
  })
  const isExempt = isAmong(exempt)
  const counts = (ctx: PolicyContext): boolean => fromClient(ctx) && !isExempt(ctx.source.info)
  return {
    name: 'rate-limit',
    write(event, ctx) {
      if (!counts(ctx) || exemptKinds.includes(event.kind)) return accept
      const at = now()
      if (byIp && !byIp.take(networkOf(ctx.source.info), at))
        return tooFast('events from one address', limits.perIp)
      if (byPubkey && !byPubkey.take(event.pubkey, at))
        return tooFast('events of one author', limits.perPubkey)
      for (const { kinds, buckets, rule } of byKind)
        if (kinds.has(event.kind) && !buckets.take(event.pubkey, at))
          return tooFast(`events of kind ${event.kind}`, rule)
      return accept
    },
    read:
      readsByIp &&
      ((_, ctx) =>
        !counts(ctx) || readsByIp.take(networkOf(ctx.source.info), now())
          ? accept
          : tooFast('requests from one address', limits.reads)),
  }
}

function tooFast(what: string, rate: Rate | undefined) {
  const perSecond = rate?.ratePerSecond ?? 0
  const pace = perSecond >= 1 ? `${perSecond} a second` : `one in ${Math.ceil(1 / perSecond)} s`
  return reject(`rate-limited: ${what} may come at ${pace}, wait a moment`)
}

export default definePolicy({
  name: 'rate-limit',
  options,
  create: (options, { clock }) => rateLimit({ ...options, now: () => clock.now() }),
})
