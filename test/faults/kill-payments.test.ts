/**
 * kill -9 at random moments of a paying load, a restart, and everything sent again three times: journal, balances, sessions
 * and receipts agree, what was acknowledged is there, and nothing is there twice. `npm run kill:payments` does fifty rounds.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds } from '../../events/index.ts'
import { streams } from '../../plugins/live-stream/stream.ts'
import { audit } from '../../plugins/payment-stream/audit.ts'
import { accounts, postings } from '../../plugins/payment-stream/ledger.ts'
import { sessions } from '../../plugins/payment-stream/session.ts'
import type { Reader } from '../../plugins/plugin.ts'
import { DATABASE_FILE, openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { openSqliteSnapshot } from '../../relay/store/sqlite/reader.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { liveStream } from '../payments/bench.ts'
import { silent } from '../relay/naive.ts'
import { payer } from './payers.ts'

const ROUNDS = Number(process.env.SLUICE_KILL_ROUNDS ?? 2)
const PAYERS = 6
const REPLAYS = 3

test(`the books agree after ${ROUNDS} kills of a paying load, with everything replayed ${REPLAYS} times`, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kill-payments-'))
  // A stream whose clock runs, so that every payment also recognises and shares revenue.
  const stream = liveStream(
    'a'.repeat(64),
    { amount: 10n, unit: 'second' },
    { liveSince: Date.now() },
  )
  const store = openSqliteStore({ dir, clock: { now: Date.now }, log: silent })
  await store.transaction(tx => streams.put(tx, stream.address, stream))
  await store.close()
  const set = [
    `db=${dir}`,
    'plugins=["payment-stream"]',
    'paymentStream.credit.welcome=1000000000',
    'paymentStream.credit.welcomeCap=1000000000000',
    // The payers come from one address and send everything again at once.
    'relay.rateLimit.messagesPerSecond=0',
    // Several times what is due in an hour: the window is not what stops the load.
    'paymentStream.prepaySeconds=10000000',
  ].flatMap(one => ['--set', one])
  let relay: RelayProcess = await spawnRelay(set)
  let replayed = 0
  try {
    const info = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
    const { self } = (await info.json()) as { self: string }
    const payers = Array.from({ length: PAYERS }, () => payer(self, stream.address))

    for (let round = 0; round < ROUNDS; round++) {
      const from = payers.map(({ sent }) => sent.length)
      const before = payers.reduce((sum, one) => sum + one.payments(), 0)
      const load = payers.map(one => one.run(relay.url))
      // The moment is random, but not before something was paid.
      for (const until = Date.now() + 20_000; Date.now() < until; await sleep(5))
        if (payers.reduce((sum, one) => sum + one.payments(), 0) > before) break
      await sleep(Math.random() * 400)
      await relay.kill('SIGKILL')
      await Promise.all(load)

      // What the kill left is whole before anything is sent again.
      assert.equal(await look(dir, audit), [], `round ${round}`)
      relay = await spawnRelay(set)
      assert.not.match(relay.stderr(), /does not add up/)
      replayed += await replayAll(from)
    }
    replayed += await replayAll(payers.map(() => 0))
    const total = payers.reduce((sum, one) => sum + one.payments(), 0)
    const opened = payers.reduce((sum, one) => sum + one.sessions.length, 0)
    console.log(
      `kill -9: ${ROUNDS} rounds, ${total} payments acknowledged in ${opened} sessions, ${replayed} events sent again, 0 lost, 0 twice`,
    )

    async function replayAll(from: readonly number[]): Promise<number> {
      let count = 0
      let settled = ''
      for (let i = 0; i < REPLAYS; i++) {
        const again = payers.map((one, p) => one.sent.slice(from[p]))
        await Promise.all(again.map((events, p) => payers[p]?.replay(relay.url, events)))
        count += again.reduce((sum, events) => sum + events.length, 0)
        // The first time, what the kill cut off may be taken; after that, nothing is new.
        const books = await look(dir, booksOf)
        if (i > 0) assert.is(books, settled, 'a replay moved money')
        settled = books
        assert.equal(await look(dir, audit), [])
      }
      await look(dir, async reader => {
        for (const { sessions: mine } of payers)
          for (const { id, signed, acknowledged } of mine) {
            const session = await sessions.get(reader, id)
            const received = session?.received ?? 0n
            assert.ok(received >= acknowledged, `${acknowledged} acknowledged, ${received} there`)
            assert.ok(received <= signed, `${signed} signed, ${received} taken`)
          }
      })
      return count
    }
  } finally {
    await relay.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

/** One moment of the database, beside the relay or after it died. */
async function look<T>(dir: string, use: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = openSqliteSnapshot(join(dir, DATABASE_FILE), { now: Date.now })
  try {
    return await use(reader)
  } finally {
    reader.close()
  }
}

/** Every balance, and how many postings, sessions and receipts there are. */
async function booksOf(reader: Reader): Promise<string> {
  let count = 0
  for await (const _ of postings(reader)) count += 1
  const balances = (await accounts(reader)).map(
    ({ asset, account, balance }) => `${account} ${balance} ${asset}`,
  )
  const open = (await sessions.list(reader)).length
  const receipts = (await reader.events([{ kinds: [kinds.StreamReceipt] }])).length
  return [`${count} postings, ${open} sessions, ${receipts} receipts`, ...balances].join('\n')
}

test.run()
