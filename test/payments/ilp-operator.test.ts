import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getToken } from 'nostr-tools/nip98'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { IlpRejected, ilpOverHttp, ilpSender, LocalSigner } from '../../client/index.ts'
import { verifyLedger } from '../../plugins/payment-stream/ledger.ts'
import { paymentOptions } from '../../plugins/payment-stream/options.ts'
import { loadPeers } from '../../plugins/payment-stream/rails/ilp/peers.ts'
import { person } from '../harness.ts'
import { ADDRESS, HUB_TOKEN, startIlpRelay } from './ilp.ts'

const test = suite<{ dir: string }>('ilp: for operators')
test.before.each(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-peers-'))
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const TOKEN = '0123456789abcdef'

test('peers come from the environment or a 0600 file, and are found by their token', async ({
  dir,
}) => {
  const file = join(dir, 'ilp.peers')
  const viewer = 'a'.repeat(64)
  await writeFile(file, `# ours\nhub ${TOKEN}\n\nalice ${TOKEN}x ${viewer}\n`, { mode: 0o600 })
  const peers = loadPeers(file, {})
  assert.equal(peers.names, ['hub', 'alice'])
  assert.equal(peers.of(TOKEN), { name: 'hub' })
  assert.equal(peers.of(`${TOKEN}x`), { name: 'alice', viewer })
  assert.is(peers.of(''), undefined)
  const other = loadPeers(file, { SLUICE_ILP_PEERS: `one ${TOKEN}1,two ${TOKEN}2` })
  assert.equal(other.of(`${TOKEN}2`), { name: 'two' })
  assert.is(other.of(TOKEN), undefined)
})

test('a mistake in the peers stops the start with a sentence that quotes no token', async ({
  dir,
}) => {
  const file = join(dir, 'ilp.peers')
  const said = (text: string): string => {
    try {
      loadPeers(file, { SLUICE_ILP_PEERS: text })
      return 'ok'
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.is(said(`hub ${TOKEN}`), 'ok')
  for (const [text, sentence] of [
    ['', /names no peer/],
    ['hub short', /the token of hub needs 16 characters/],
    [`Hub ${TOKEN}`, /a line is "<name> <token>/],
    [`hub ${TOKEN} npub1x`, /a line is/],
    [`hub ${TOKEN} ${'a'.repeat(64)} x`, /a line is/],
    [`hub ${TOKEN}\nhub ${TOKEN}2`, /hub stands there twice/],
    [`hub ${TOKEN}\nhub2 ${TOKEN}`, /shares its token/],
  ] as const) {
    assert.match(said(text), sentence)
    assert.not.match(said(text), new RegExp(TOKEN))
  }
  assert.throws(() => loadPeers(file, {}), /set SLUICE_ILP_PEERS, or write/)
  await writeFile(file, `hub ${TOKEN}\n`)
  await chmod(file, 0o644)
  assert.throws(() => loadPeers(file, {}), /has mode 644: run "chmod 600/)
})

test('rails are chosen by name; ilp wants an address and an asset of its own', () => {
  const problem = (options: object) =>
    paymentOptions.safeParse(options).error?.issues.map(issue => issue.message)
  assert.is(problem({}), undefined)
  assert.equal(paymentOptions.parse({}).rails, ['credit'])
  assert.is(problem({ rails: ['ilp'], ilp: { address: 'g.hub' } }), undefined)
  assert.match(String(problem({ rails: ['ilp'] })), /needs our ILP address/)
  assert.match(String(problem({ rails: [] })), /./)
  assert.match(String(problem({ rails: ['gold'] })), /./)
  assert.match(String(problem({ ilp: { address: 'not an address' } })), /needs an ILP address/)
  assert.match(String(problem({ ilp: { asset: 'CREDIT' } })), /cannot be CREDIT/)
})

test('a peer that owes too much is told to settle, and goes on once it has', async () => {
  const operator = person()
  const relay = await startIlpRelay({
    set: ['paymentStream.ilp.maxOwed=250', `paymentStream.operators=["${operator.pubkey}"]`],
  })
  try {
    const sender = ilpSender({
      hop: ilpOverHttp({ url: `${relay.http}/ilp`, token: HUB_TOKEN }),
      signer: new LocalSigner(person().secret),
      self: relay.self,
      destination: ADDRESS,
    })
    const rate = { amount: 10n, unit: 'second' } as const
    const session = await sender.open({ address: relay.stream.address, rate, asset: 'USD' })
    assert.is((await session.pay(200n)).totalReceived, 200n)
    const refused = await session.pay(51n).catch(error => error)
    assert.instance(refused, IlpRejected)
    assert.is(refused.code, 'T04')
    assert.is(refused.message, 'This peer owes too much, it has to settle before it sends more.')
    assert.is((await session.pay(50n)).totalReceived, 250n)

    const url = `${relay.http}/api/v1/ilp/settlements`
    const ask = async (who = operator, body?: object) => {
      const method = body ? 'POST' : 'GET'
      const authorization = await getToken(url, method, who.sign, true, body as never)
      const text = body && JSON.stringify(body)
      const response = await fetch(url, { method, headers: { authorization }, body: text })
      return { status: response.status, said: (await response.json()) as Record<string, unknown> }
    }
    assert.equal((await ask()).said, { asset: 'USD', owed: { hub: '250', alice: '0' } })
    assert.is((await ask(person())).status, 403)
    const paid = { peer: 'hub', amount: '240', why: 'wire of Monday' }
    assert.is((await ask(person(), paid)).status, 403)
    assert.is((await ask(operator, { ...paid, peer: 'nobody' })).status, 404)
    assert.is((await ask(operator, { ...paid, amount: '-1' })).status, 400)
    assert.equal((await ask(operator, paid)).said, {
      peer: 'hub',
      asset: 'USD',
      settled: '240',
      owed: '10',
    })
    assert.is((await session.pay(51n)).totalReceived, 301n)
    assert.equal(await verifyLedger(relay.relay.store), [])
  } finally {
    await relay.stop()
  }
})

test.run()
