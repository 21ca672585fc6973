import type { Context } from 'hono'
import { unitMs } from '../../events/index.ts'
import { httpAuth } from '../http-auth.ts'
import { type LiveStream, streamClock, streamIds, streams } from '../live-stream/stream.ts'
import type { Reader, RelayHttp } from '../plugin.ts'
import { type Desk, unixSeconds } from './desk.ts'
import { balanceOf } from './ledger.ts'
import { running } from './meter.ts'
import { earned, revenueOf } from './revenue.ts'
import {
  accrued,
  type Session,
  sessionAt,
  sessions,
  sessionsOfStream,
  streamPrefix,
} from './session.ts'
import { runningSplit } from './split.ts'

/** What a stream has earned its host in its asset, up to this moment, and what each second adds. */
export interface Earnings {
  readonly asset: string
  /** This stream: what was posted, and what is due since. */
  readonly earned: bigint
  /** All the host's streams together: what was posted, and what is due of this one since. */
  readonly earnedInAll: bigint
  /** Thousandths of a unit. */
  readonly milliPerSecond: bigint
  /** Sessions of this stream that are paid up, and that are in their free preview. */
  readonly paying: number
  readonly previewing: number
}

/** Reads a host's earnings at `nowMs`; nothing is posted by looking. */
export async function earningsOf(
  reader: Reader,
  stream: LiveStream,
  asset: string,
  nowMs: number,
): Promise<Earnings> {
  const account = `party:${stream.host}`
  const clock = streamClock(stream, nowMs)
  const live = stream.liveSince !== undefined
  let due = 0n
  const count = { ACTIVE: 0, PREVIEW: 0 }
  let milliPerSecond = 0n
  for (const session of await openOf(reader, stream)) {
    const { state } = sessionAt(session, clock, live)
    if (state === 'PREVIEW') count.PREVIEW += 1
    if (session.asset !== asset) continue
    due += dueTo(account, session, clock)
    if (state !== 'ACTIVE') continue
    count.ACTIVE += 1
    milliPerSecond += partPerSecond(account, session)
  }
  return {
    asset,
    earned: due + (await revenueOf(reader, stream.address, asset)),
    earnedInAll: due + (await balanceOf(reader, asset, account)),
    milliPerSecond,
    paying: count.ACTIVE,
    previewing: count.PREVIEW,
  }
}

async function openOf(reader: Reader, { address }: LiveStream): Promise<Session[]> {
  const rows = await sessionsOfStream.list(reader, { prefix: streamPrefix(address) })
  const found = await Promise.all(rows.map(({ value }) => sessions.get(reader, value.session)))
  return found.filter(session => session?.status === 'open') as Session[]
}

/** What a party's share has grown by since revenue was last posted. */
function dueTo(account: string, session: Session, clock: number): bigint {
  const before = runningSplit(session.shares, session.recognised)
  const after = runningSplit(session.shares, earned(accrued(session, clock)))
  return session.shares.reduce(
    (sum, share, i) =>
      share.account === account ? sum + (after[i] ?? 0n) - (before[i] ?? 0n) : sum,
    0n,
  )
}

function partPerSecond(account: string, { epochs, shares }: Session): bigint {
  const { amount, unit } = running(epochs).rate
  const bp = shares.reduce((sum, share) => (share.account === account ? sum + share.bp : sum), 0)
  return (amount * 1_000_000n * BigInt(bp)) / (unitMs[unit] * 10_000n)
}

/** GET /api/v1/streams/<public id>/earnings, for the stream's host (NIP-98). */
export function earningsApi({ host, rails }: Desk) {
  return (app: RelayHttp): void => {
    app.get('/api/v1/streams/:id/earnings', async (c: Context) => {
      const id = c.req.param('id') ?? ''
      const url = `${host.urls().http}/api/v1/streams/${id}/earnings`
      const nowMs = host.clock.now()
      const auth = httpAuth(c.req.header('authorization'), {
        url,
        method: 'GET',
        now: unixSeconds(nowMs),
      })
      if (!auth.ok) return c.json({ error: auth.msg }, 401)
      const named = await streamIds.get(host.store, id)
      const stream = named && (await streams.get(host.store, named.address))
      if (!stream) return c.json({ error: 'there is no such stream here' }, 404)
      if (stream.host !== auth.pubkey)
        return c.json({ error: 'only the host of a stream sees what it earns' }, 403)
      const asset = stream.price?.asset ?? rails[0]?.asset ?? ''
      const says = await earningsOf(host.store, stream, asset, nowMs)
      const amounts = {
        earned: String(says.earned),
        earnedInAll: String(says.earnedInAll),
        milliPerSecond: String(says.milliPerSecond),
      }
      return c.json({ ...says, ...amounts }, 200, { 'Cache-Control': 'no-store' })
    })
  }
}
