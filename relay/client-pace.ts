import { Counter, type Registry } from 'prom-client'
import type { Clock } from '../plugins/plugin.ts'
import { isAmong, networkOf } from '../policies/source.ts'
import { tokenBuckets } from '../policies/token-bucket.ts'
import { latest } from './latest.ts'

export interface PaceLimits {
  readonly messagesPerSecond: number
  readonly messageBurst: number
  readonly connectionsPerIp: number
  /** Addresses that are not counted. */
  readonly exempt: readonly string[]
}

/** One connection among those of its network. */
export interface Visitor {
  /** Asked for each message: answer it, refuse it, or refuse it and close. */
  take(): 'go' | 'refuse' | 'close'
  leave(): void
}

/** A connection may be refused so often at once, and one more each second, before it is closed. */
const PATIENCE = 100
/** Networks whose messages are remembered. */
const MAX_NETWORKS = 100_000

const FREE: Visitor = { take: () => 'go', leave: () => undefined }

/**
 * What one network of clients (an IPv4 address, an IPv6 /64) may do: so many connections, and messages of any verb.
 * 0 switches a limit off; who is exempt is not counted.
 *
 * @example
 * const limits = { messagesPerSecond: 200, messageBurst: 2000, connectionsPerIp: 200, exempt: ['::1'] }
 * const pace = clientPace({ limits: () => limits, clock, metrics })
 * const visitor = pace.arrive('192.0.2.7') // undefined: one connection too many
 */
export function clientPace(options: {
  /** As they are now; where others are meant since, buckets begin full. */
  limits(): PaceLimits
  clock: Clock
  metrics: Registry
}) {
  const { clock } = options
  const open = new Map<string, number>()
  const rules = latest(options.limits, limits => ({
    connectionsPerIp: limits.connectionsPerIp,
    isExempt: isAmong(limits.exempt),
    messages:
      limits.messagesPerSecond > 0
        ? tokenBuckets({
            ratePerSecond: limits.messagesPerSecond,
            burst: limits.messageBurst,
            maxKeys: MAX_NETWORKS,
          })
        : undefined,
  }))
  const refused = new Counter({
    name: 'sluice_rate_limited_total',
    help: 'What clients were refused for coming too fast or too many',
    labelNames: ['what'],
    registers: [options.metrics],
  })
  for (const what of ['connection', 'message', 'closed']) refused.inc({ what }, 0)

  function take(network: string, refusals: { left: number; at: number }) {
    const now = clock.now()
    const { messages } = rules()
    if (!messages || messages.take(network, now)) return 'go'
    refused.inc({ what: 'message' })
    const seconds = Math.max(0, now - refusals.at) / 1000
    refusals.left = Math.min(PATIENCE, refusals.left + seconds) - 1
    refusals.at = now
    if (refusals.left >= 0) return 'refuse'
    refused.inc({ what: 'closed' })
    return 'close'
  }

  return {
    /** Counts a connection from that address until it leaves; undefined when there are too many. */
    arrive(ip: string): Visitor | undefined {
      const { isExempt, connectionsPerIp } = rules()
      if (isExempt(ip)) return FREE
      const network = networkOf(ip)
      const already = open.get(network) ?? 0
      if (connectionsPerIp > 0 && already >= connectionsPerIp) {
        refused.inc({ what: 'connection' })
        return undefined
      }
      open.set(network, already + 1)
      const refusals = { left: PATIENCE, at: clock.now() }
      return {
        take: () => take(network, refusals),
        leave() {
          const left = (open.get(network) ?? 1) - 1
          if (left > 0) open.set(network, left)
          else open.delete(network)
        },
      }
    },
  }
}

export type ClientPace = ReturnType<typeof clientPace>
