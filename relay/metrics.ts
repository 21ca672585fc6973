import { Counter, Gauge, type Registry } from 'prom-client'
import type { Filter } from '../events/index.ts'
import type { Decision } from '../plugins/plugin.ts'
import type { StoreLoad } from './store/store.ts'

/** NIP-01's prefixes; what a plugin says under any other counts as `other`. */
const PREFIXES = new Set(
  'duplicate pow blocked rate-limited invalid restricted auth-required mute error'.split(' '),
)

/** Numbers by one label, which cost an addition each; Prometheus' counters are set when somebody asks. */
export interface Tally {
  add(label: string, amount?: number): void
}

/** What the hot path counts. */
export interface RelayMetrics {
  readonly messages: Tally
  verdict(decision: Decision): void
  verified(ms: number): void
  queried(filters: readonly Filter[], ms: number): void
}

/**
 * The relay's own figures in /metrics: messages, verdicts, verification, queries by shape, events sent.
 *
 * @example
 * const counts = relayMetrics(registry)
 * counts.messages.add('REQ')
 */
export function relayMetrics(registry: Registry): RelayMetrics {
  const tally = (name: string, help: string, label: string): Tally => {
    const values = new Map<string, number>()
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset()
        for (const [value, amount] of values) this.inc({ [label]: value }, amount)
      },
    })
    return { add: (value, amount = 1) => void values.set(value, (values.get(value) ?? 0) + amount) }
  }
  const verdicts = tally(
    'sluice_events_total',
    'Events that clients sent, by verdict: accept, shadow, or the prefix of the refusal',
    'verdict',
  )
  const queries = tally('sluice_queries_total', 'REQs that the store answered, by shape', 'shape')
  const querySeconds = tally(
    'sluice_query_seconds_total',
    'Time until the store had answered REQs, by shape',
    'shape',
  )
  let [verifications, verifyMs] = [0, 0]
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  counter('sluice_verifications_total', 'Signatures that were checked', () => verifications)
  counter(
    'sluice_verify_seconds_total',
    'Time that checking signatures took',
    () => verifyMs / 1000,
  )
  return {
    messages: tally('sluice_messages_total', 'Messages of clients, by type', 'type'),
    verdict(decision) {
      verdicts.add(verdictOf(decision))
    },
    verified(ms) {
      verifications += 1
      verifyMs += ms
    },
    queried(filters, ms) {
      const shape = shapeOf(filters)
      queries.add(shape)
      querySeconds.add(shape, ms / 1000)
    },
  }
}

function verdictOf(decision: Decision): string {
  if (decision.action === 'accept') return 'accept'
  if (decision.action === 'shadowReject') return 'shadow'
  const prefix = decision.msg.slice(0, decision.msg.indexOf(':'))
  return PREFIXES.has(prefix) ? prefix : 'other'
}

/** What of a filter the store looks for first. */
export function shapeOf([filter, ...more]: readonly Filter[]): string {
  if (more.length > 0) return 'several filters'
  if (!filter) return 'none'
  if (filter.search !== undefined) return 'search'
  if (filter.ids) return 'ids'
  const parts = []
  if (Object.keys(filter).some(name => name[0] === '#')) parts.push('tag')
  if (filter.authors) parts.push('author')
  if (filter.kinds) parts.push('kind')
  return parts.join('+') || 'all'
}

/** Figures that are only looked at when somebody asks: queues, memory that waits to be sent, the writer. */
export function queueMetrics(options: {
  registry: Registry
  /** Per connection, bytes that wait to be sent. */
  pending(): Iterable<number>
  connections(): number
  subscriptions(): number
  /** Events sent to clients since the start. */
  sent(): { stored: number; live: number }
  /** Events between their verdict's begin and their OK. */
  inFlight(): number
  store(): StoreLoad
}): void {
  const { registry } = options
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value())
      },
    })
  const counter = (name: string, help: string, value: (load: StoreLoad) => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(value(options.store()))
      },
    })
  new Counter({
    name: 'sluice_events_sent_total',
    help: 'Events sent to clients: stored ones, and live ones once for each subscription',
    labelNames: ['how'],
    registers: [registry],
    collect() {
      this.reset()
      const { stored, live } = options.sent()
      this.inc({ how: 'stored' }, stored)
      this.inc({ how: 'live' }, live)
    },
  })
  gauge('sluice_connections', 'Open WebSocket connections', options.connections)
  gauge('sluice_subscriptions', 'Open subscriptions', options.subscriptions)
  gauge('sluice_events_in_flight', 'Events that wait for their OK', options.inFlight)
  gauge('sluice_outbound_pending_bytes', 'Bytes that wait for clients to read them', () =>
    [...options.pending()].reduce((sum, bytes) => sum + bytes, 0),
  )
  gauge('sluice_outbound_pending_bytes_max', 'Of the slowest client', () =>
    [...options.pending()].reduce((most, bytes) => Math.max(most, bytes), 0),
  )
  gauge(
    'sluice_writer_queue',
    'Transactions that wait for the writer',
    () => options.store().waiting,
  )
  gauge('sluice_search_queue', 'Searches that wait for the index', () => options.store().searches)
  counter('sluice_writer_groups_total', 'Commits of the writer', ({ groups }) => groups)
  counter(
    'sluice_writer_transactions_total',
    'Transactions in them: by commits, the size of a group',
    ({ transactions }) => transactions,
  )
  counter('sluice_sync_total', 'How often the WAL was synced to disk', ({ syncs }) => syncs)
  counter(
    'sluice_sync_seconds_total',
    'Time that syncing the WAL took',
    ({ syncMs }) => syncMs / 1000,
  )
}
