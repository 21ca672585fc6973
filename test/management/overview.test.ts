/** What the operator's page reads beside NIP-86: for administrators alone. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { api } from '../../client/api.ts'
import type { ApiRefused } from '../../client/errors.ts'
import { LocalSigner } from '../../client/local-signer.ts'
import management from '../../plugins/management/index.ts'
import { type SlowMinute, slowLog } from '../../plugins/management/slow-log.ts'
import { accept, definePolicy, slowCall, type Telemetry } from '../../plugins/plugin.ts'
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
  for (const path of ['', '/books']) {
    const url = `${relay.http}/api/v1/operator${path}`
    const refused = await api(url, signerOf(author)).catch((error: ApiRefused) => error)
    assert.is((refused as ApiRefused).status, 403)
    assert.is((await fetch(url)).status, 401)
  }
  client.close()
  await relay.stop()
})

test('each minute of a hook stands once, with its slowest call; a hundred are kept', () => {
  let tell: ((told: never) => void) | undefined
  const telemetry: Telemetry = {
    emit: (_, told) => tell?.(told as never),
    on: (_, listener) => {
      tell = listener as typeof tell
      return () => {
        tell = undefined
      }
    },
  }
  const log = slowLog(telemetry)
  const slow = (at: number, hook: string, ms: number) =>
    telemetry.emit(slowCall, { at, plugin: 'p', hook, ms })
  slow(60_000, 'write', 300)
  slow(60_500, 'write', 900)
  slow(60_600, 'read', 400)
  for (let i = 0; i < 500; i++) slow(119_999, 'write', 251)
  slow(120_000, 'write', 260)
  assert.equal(log.newest(), [
    { at: 120_000, plugin: 'p', hook: 'write', ms: 260, calls: 1 },
    { at: 60_600, plugin: 'p', hook: 'read', ms: 400, calls: 1 },
    { at: 60_500, plugin: 'p', hook: 'write', ms: 900, calls: 502 },
  ])
  for (let minute = 3; minute < 150; minute++) slow(minute * 60_000, 'write', 300)
  assert.is(log.newest().length, 100)
  assert.is(log.newest()[0]?.at, 149 * 60_000)
  log.close()
  slow(60_000_000, 'write', 300)
  assert.is(log.newest()[0]?.at, 149 * 60_000)
})

test.run()
