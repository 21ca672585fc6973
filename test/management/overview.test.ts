/** What the operator's page reads beside NIP-86: for administrators alone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { api } from '../../client/api.ts'
import type { ApiRefused } from '../../client/errors.ts'
import { LocalSigner } from '../../client/local-signer.ts'
import management from '../../plugins/management/index.ts'
import { grantCredit } from '../../plugins/payment-stream/rails/credit.ts'
import { accept, definePolicy, type SlowMinute } from '../../plugins/plugin.ts'
import { connect, person, startRelay } from '../harness.ts'

const test = suite("the operator's figures")

/** A policy that thinks for a while about kind 1. */
const thinker = definePolicy({
  name: 'thinker',
  options: z.object({}),
  create: () => ({
    name: 'thinker',
    writeKinds: [1],
    write: () => new Promise<typeof accept>(done => setTimeout(() => done(accept), 40)),
  }),
})

const signerOf = ({ secret }: { secret: Uint8Array }) =>
  new LocalSigner(Buffer.from(secret).toString('hex'))

test('a slow call is found by the operator, and by nobody else', async () => {
  const [admin, author] = [person(), person()]
  const set = ['slowPluginMs=20', `management.admins=["${admin.pubkey}"]`]
  const relay = await startRelay({ plugins: [management, thinker], set })
  const client = await connect(relay.url)
  const event = author.sign({ kind: 1 })
  assert.equal(await client.publish(event), [true, ''])
  const said = await api(`${relay.http}/api/v1/operator`, signerOf(admin))
  const { slow } = said as { slow: SlowMinute[] }
  const found = slow.find(({ plugin }) => plugin === 'thinker')
  assert.equal([found?.hook, found?.event], ['write', { id: event.id, kind: 1 }])
  assert.ok((found?.ms ?? 0) >= 39 && Math.abs(Date.now() - (found?.at ?? 0)) < 60_000)
  for (const path of ['', '/books', '/grants', '/grants?before=x']) {
    const url = `${relay.http}/api/v1/operator${path}`
    const refused = await api(url, signerOf(author)).catch((error: ApiRefused) => error)
    assert.is((refused as ApiRefused).status, 403)
    assert.is((await fetch(url)).status, 401)
  }
  client.close()
  await relay.stop()
})

test('grants of credit are listed by fifty, the newest first', async () => {
  const [admin, viewer] = [person(), person()]
  const set = [`management.admins=["${admin.pubkey}"]`]
  const relay = await startRelay({ plugins: [management], set })
  const store = relay.relay.store.forPlugin('payment-stream')
  const grants = Array.from({ length: 51 }, (_, i) => ({
    id: `grant-${i}`,
    pubkey: viewer.pubkey,
    amount: BigInt(i + 1),
    why: `because: ${i}`,
    by: admin.pubkey,
    at: 1_700_000_000_000 + i,
  }))
  await Promise.all(grants.map(grant => grantCredit(store, grant)))
  const page = async (query = '') =>
    (await api(`${relay.http}/api/v1/operator/grants${query}`, signerOf(admin))) as {
      grants: object[]
      next?: string
    }
  const first = await page()
  const newest = grants.reverse().map(grant => ({ ...grant, amount: String(grant.amount) }))
  assert.equal(first.grants, newest.slice(0, 50))
  const second = await page(`?before=${encodeURIComponent(first.next ?? '')}`)
  assert.equal(second, { grants: newest.slice(50) })
  await relay.stop()
})

test.run()
