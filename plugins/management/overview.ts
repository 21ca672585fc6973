import type { Context } from 'hono'
import { httpAuth } from '../http-auth.ts'
import { streamClock, streams } from '../live-stream/stream.ts'
import { accounts, verifyLedger } from '../payment-stream/ledger.ts'
import { creditGrants } from '../payment-stream/rails/credit.ts'
import { sessionAt, sessions, sessionsOfStream } from '../payment-stream/session.ts'
import type { Host, Reader, RelayHttp } from '../plugin.ts'

const PATH = '/api/v1/operator'
const MOST_STREAMS = 200
const GRANTS_SHOWN = 50

/**
 * What NIP-86 has no method for, read-only, for the relay's administrators (NIP-98): `GET /api/v1/operator` gives streams,
 * sessions, the ledger's totals and what was slow; `GET /api/v1/operator/books` compares the ledger with its journal, which reads all of it;
 * `GET /api/v1/operator/grants` gives the newest fifty grants of credit, `?before=<next>` those before them.
 */
export function overviewApi(host: Host, admins: readonly string[]) {
  /** The refusal of who is no administrator. */
  function refusal(c: Context, path: string): Response | undefined {
    const auth = httpAuth(c.req.header('authorization'), {
      url: host.urls().http + path,
      method: 'GET',
      now: Math.floor(host.clock.now() / 1000),
    })
    if (!auth.ok) return c.json({ error: auth.msg }, 401)
    if (auth.pubkey === host.self || admins.includes(auth.pubkey)) return undefined
    return c.json({ error: 'only an administrator of this relay sees this' }, 403)
  }

  return (app: RelayHttp): void => {
    app.get(PATH, async c => {
      const refused = refusal(c, PATH)
      if (refused) return refused
      const { store } = host
      const [shown, ledger] = await Promise.all([
        streamsNow(store, host.clock.now()),
        ledgerTotals(store),
      ])
      return c.json({ ...shown, ledger, slow: host.slowCalls() }, 200, noStore)
    })
    app.get(`${PATH}/books`, async c => {
      const refused = refusal(c, `${PATH}/books`)
      if (refused) return refused
      return c.json({ problems: await verifyLedger(host.store) }, 200, noStore)
    })
    app.get(`${PATH}/grants`, async c => {
      const refused = refusal(c, `${PATH}/grants${new URL(c.req.url).search}`)
      if (refused) return refused
      const page = { before: c.req.query('before'), limit: GRANTS_SHOWN }
      const { grants, next } = await creditGrants(host.store, page)
      const shown = grants.map(grant => ({ ...grant, amount: String(grant.amount) }))
      return c.json({ grants: shown, next }, 200, noStore)
    })
  }
}

const noStore = { 'Cache-Control': 'no-store' }

/** Streams that are not over, the live ones first, and their open sessions by where they stand. */
async function streamsNow(reader: Reader, nowMs: number) {
  const known = new Map((await streams.list(reader)).map(({ key, value }) => [key, value]))
  const perStream = new Map<string, number>()
  const states: Record<string, number> = {}
  for (const { value } of await sessionsOfStream.list(reader)) {
    const session = await sessions.get(reader, value.session)
    if (session?.status !== 'open') continue
    const stream = known.get(session.address)
    const clock = stream ? streamClock(stream, nowMs) : session.asOf
    const { state } = sessionAt(session, clock, stream?.liveSince !== undefined)
    states[state] = (states[state] ?? 0) + 1
    perStream.set(session.address, (perStream.get(session.address) ?? 0) + 1)
  }
  const order = ['live', 'reconnecting', 'planned']
  const open = [...known.values()]
    .filter(({ status }) => status !== 'ended')
    .sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
  return {
    streams: open.slice(0, MOST_STREAMS).map(stream => ({
      address: stream.address,
      title: stream.title,
      host: stream.host,
      status: stream.status,
      liveSeconds: Math.floor(streamClock(stream, nowMs) / 1000),
      sessions: perStream.get(stream.address) ?? 0,
      price: stream.price && { ...stream.price, amount: String(stream.price.amount) },
    })),
    streamsInAll: known.size,
    sessions: states,
  }
}

/** What each class of accounts holds together, by asset; they sum to zero. */
async function ledgerTotals(reader: Reader): Promise<Record<string, Record<string, string>>> {
  const totals = new Map<string, Map<string, bigint>>()
  for (const { asset, account, balance } of await accounts(reader)) {
    const of = totals.get(asset) ?? new Map<string, bigint>()
    totals.set(asset, of.set(classOf(account), (of.get(classOf(account)) ?? 0n) + balance))
  }
  return Object.fromEntries(
    [...totals].map(([asset, of]) => [
      asset,
      Object.fromEntries([...of].map(([name, sum]) => [name, String(sum)])),
    ]),
  )
}

/** People and sessions together; grants and rails each by its own name. */
const classOf = (account: string): string =>
  /^(viewer|escrow|suspense|party):/.exec(account)?.[1] ?? account
