import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { nip19 } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { announce, PaymentSession, Person } from '../flows/independent.ts'
import { spawnRelay } from '../harness.ts'
import { silent } from '../relay/naive.ts'
import { folder, sluice } from './sluice.ts'

const test = suite<{ dir: string; db: string }>('sluice ledger')
test.before.each(context => {
  context.dir = folder()
  context.db = join(context.dir, 'db')
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

test('balances and statements are read beside a relay that takes payments; a broken balance is found and made anew', async ({
  db,
}) => {
  const ledger = (...args: string[]) => sluice(db, ['ledger', ...args])
  const relay = await spawnRelay(['--set', `db=${db}`])
  const host = await Person.connect(relay.url)
  const viewer = await Person.connect(relay.url)
  const npub = nip19.npubEncode(viewer.pubkey)
  try {
    const response = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
    const { self } = (await response.json()) as { self: string }
    const { address } = await announce(host, 'show', ['10', 'second', 'CREDIT'])
    const session = await PaymentSession.open(viewer, self, address, ['10', 'second'])
    let open = true
    const paying = (async () => {
      for (let n = 0; open && n < 300; n++) await session.pay(3n)
    })()
    // Under load, each of these sees one moment.
    const [balance, statement, verified, refused, nobody] = await Promise.all([
      ledger('balance', npub),
      ledger('statement', 'grant:welcome', '--csv'),
      ledger('verify'),
      ledger('rebuild'),
      ledger('balance', 'viewer:nobody'),
    ])
    open = false
    await paying
    assert.match(balance.stdout, /^account +asset +balance +redeemable\n/)
    assert.match(
      balance.stdout,
      new RegExp(`viewer:${viewer.pubkey} +CREDIT +\\d+ +not redeemable`),
    )
    const [head, line] = statement.stdout.split('\n')
    assert.is(head, 'time,account,asset,amount,balance,memo,posting')
    assert.match(
      line ?? '',
      new RegExp(`Z,grant:welcome,CREDIT,-1000,-1000,welcome,welcome:${viewer.pubkey}$`),
    )
    assert.match(verified.stdout, /^journal, balances, sessions and receipts agree: \d+ postings/)
    assert.is(refused.code, 1)
    assert.match(refused.stderr, /another relay or companion works in .*: stop it/)
    assert.match(nobody.stderr, /^sluice: nothing was ever posted to viewer:nobody/)
  } finally {
    host.close()
    viewer.close()
    await relay.stop()
  }

  assert.match(
    (await ledger('rebuild')).stdout,
    'the balances are what the journal says, nothing was changed',
  )
  const store = openSqliteStore({ dir: db, clock: { now: Date.now }, log: silent, guest: true })
  const account = `viewer:${viewer.pubkey}`
  await store.transaction(tx => tx.put('balance', `CREDIT ${account}`, '"999999"'))
  await store.close()
  const broken = await ledger('verify')
  assert.is(broken.code, 1)
  assert.match(broken.stderr, `CREDIT ${account} holds 999999, its journal says `)
  const rebuilt = await ledger('rebuild')
  assert.match(
    rebuilt.stdout,
    new RegExp(`${account}: 999999 -> \\d+ CREDIT\n1 balances corrected`),
  )
  assert.is((await ledger('verify')).code, 0)
})

test('without a database, or without an account to state, one sentence', async ({ db }) => {
  const [none, unnamed] = await Promise.all([
    sluice(db, ['ledger', 'balance']),
    sluice(db, ['ledger', 'statement']),
  ])
  assert.match(none.stderr, /^sluice: there is no database in /)
  assert.match(unnamed.stderr, /^sluice: name an account/)
  assert.is(none.code, 1)
})

test.run()
