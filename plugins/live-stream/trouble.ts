import { Counter } from 'prom-client'
import { z } from 'zod'
import { collection } from '../collection.ts'
import { type ErrorSource, type Host, type Reader, streamTrouble, type Tx } from '../plugin.ts'
import type { LiveStream } from './stream.ts'

/** What went wrong with streams, as `<public id>/<unix ms, 15 digits>`. `times` counts the same one after the other. */
export const streamErrors = collection(
  'stream-error',
  z.object({
    at: z.number(),
    lastAt: z.number(),
    times: z.number(),
    source: z.enum(['media', 'provider', 'health', 'restream', 'relay']),
    cause: z.string(),
  }),
)

const MAX_CAUSE = 300

/** How publishing ends, or pauses, when nothing is wrong. */
const ORDINARY =
  /^(connection closed|the publisher (stopped|is gone)|another publisher took over|the stream was ended|the (relay|media backend) is (going down|closing))/

/** Is this cause one that the host should do something about? */
export const isTrouble = (cause: string): boolean => !ORDINARY.test(cause)

/** Keeps what goes wrong with streams, for their hosts and the operator. */
export function troubles(host: Host) {
  const counted = new Counter({
    name: 'sluice_stream_errors_total',
    help: 'What went wrong with streams, by source (media, provider, health, restream, relay)',
    labelNames: ['source'],
    registers: [host.metrics],
  })

  /** Notes it in the transaction that saves what it did. The same again is counted, not repeated. */
  async function note(
    tx: Tx,
    { id, address, host: by }: LiveStream,
    source: ErrorSource,
    said: string,
  ): Promise<void> {
    const at = host.clock.now()
    const cause = readable(said)
    const [last] = await streamErrors.list(tx, { prefix: `${id}/`, reverse: true, limit: 1 })
    const again = last?.value.source === source && last.value.cause === cause
    if (last && again)
      await streamErrors.put(tx, last.key, {
        ...last.value,
        lastAt: at,
        times: last.value.times + 1,
      })
    else {
      const free = Math.max(at, Number(last?.key.split('/')[1] ?? 0) + 1)
      const error = { at, lastAt: at, times: 1, source, cause }
      await streamErrors.put(tx, `${id}/${String(free).padStart(15, '0')}`, error)
    }
    tx.after(() => {
      counted.inc({ source })
      host.log.warn({ stream: address, source, cause }, 'something went wrong with a stream')
      host.telemetry.emit(streamTrouble, { address, id, host: by, at, source, cause })
    })
  }

  return { note }
}
export type Troubles = ReturnType<typeof troubles>

/** The newest errors of a stream first. */
export async function errorsOf(reader: Reader, id: string, limit = 20) {
  const rows = await streamErrors.list(reader, { prefix: `${id}/`, reverse: true, limit })
  return rows.map(({ value }) => value)
}

/** A sentence that a host may read: no addresses with keys in them, not without end. */
const readable = (cause: string): string =>
  cause.replace(/\b[a-z]+:\/\/\S+/gi, '(an address)').slice(0, MAX_CAUSE)
