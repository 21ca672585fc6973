/**
 * kill -9 at random moments under load: what was acknowledged is there, nothing is there twice. `npm run kill` does
 * fifty rounds, the suite a few.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { integrityOf } from '../../relay/store/sqlite/integrity.ts'
import { announce, PaymentSession, Person, tag } from '../flows/independent.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { grownTo, missingAt, startLoad } from './load.ts'

const ROUNDS = Number(process.env.SLUICE_KILL_ROUNDS ?? 3)

test(`sessions and receipts survive ${ROUNDS} kills`, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kill-'))
  const spawn = () =>
    spawnRelay(['--set', `db=${dir}`, '--set', 'paymentStream.credit.welcome=100000'])
  let relay: RelayProcess = await spawn()
  try {
    const info = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
    const { self } = (await info.json()) as { self: string }
    const host = await Person.connect(relay.url)
    const { address } = await announce(host, 'show', ['10', 'second', 'CREDIT'])
    host.close()
    let viewer = await Person.connect(relay.url)
    const { secret } = viewer
    const session = await PaymentSession.open(viewer, self, address, ['10', 'second'])
    let acknowledged = 0n
    for (let round = 0; round < ROUNDS; round++) {
      const paying = (async () => {
        for (;;) acknowledged = BigInt(tag(await session.pay(3n), 'total_received') ?? 0)
      })().catch(() => undefined)
      await sleep(150 + Math.random() * 400)
      await relay.kill('SIGKILL')
      viewer.close()
      await paying

      relay = await spawn()
      viewer = await Person.connect(relay.url, secret)
      const receipts = [{ kinds: [5613], '#p': [viewer.pubkey] }]
      const receipt = await viewer.next(receipts[0] ?? {})
      const total = BigInt(tag(receipt, 'total_received') ?? 0)
      assert.ok(
        total === acknowledged || total === acknowledged + 3n,
        `acknowledged ${acknowledged}, found ${total}`,
      )
      assert.not.match(relay.stderr(), /does not add up/)
      session.resume(viewer, total, Number(tag(receipt, 'sequence')))
    }
    viewer.close()
  } finally {
    await relay.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

test(`every acknowledged event survives ${ROUNDS} kills under load`, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kill-'))
  const acknowledged = new Map<string, number>()
  let relay = await spawnRelay(['--set', `db=${dir}`])
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const before = acknowledged.size
      const load = await startLoad(relay.url, acknowledged)
      await grownTo(acknowledged, before + 1)
      await sleep(Math.random() * 600)
      await relay.kill('SIGKILL')
      await load.stop()

      relay = await spawnRelay(['--set', `db=${dir}`])
      const added = [...acknowledged.keys()].slice(before)
      assert.equal(await missingAt(relay.url, added), [], `round ${round}`)
      assert.is(integrityOf(join(dir, 'sluice.sqlite')), 'ok')
    }
    assert.equal(await missingAt(relay.url, acknowledged.keys()), [])
    console.log(
      `kill -9: ${ROUNDS} rounds, ${acknowledged.size} acknowledged, 0 lost, integrity ok`,
    )
  } finally {
    await relay.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

test.run()
