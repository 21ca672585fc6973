import * as Btp from 'btp-packet'
import fc from 'fast-check'
import * as Ilp from 'ilp-packet'
import PluginBtp from 'ilp-plugin-btp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { OerError } from '../../events/index.ts'
import { btpError, btpResponse, readBtp } from '../../plugins/payment-stream/rails/ilp/btp.ts'
import { person } from '../harness.ts'
import { ADDRESS, HUB_TOKEN, type IlpRelay, payer, startIlpRelay } from './ilp.ts'

const test = suite<{ relay: IlpRelay }>('ilp: BTP')
test.before(async context => {
  context.relay = await startIlpRelay()
})
test.after(({ relay }) => relay.stop())

const plugin = (relay: IlpRelay, token: string) =>
  new PluginBtp.default({
    server: `btp+${relay.url.replace('ws://', `ws://:${token}@`)}/ilp/btp`,
    responseTimeout: 20_000,
    reconnectInterval: 100,
  })

const prepare = (amount: bigint, condition: Buffer, data: Buffer) =>
  Ilp.serializeIlpPrepare({
    amount: String(amount),
    expiresAt: new Date(Date.now() + 10_000),
    executionCondition: condition,
    destination: ADDRESS,
    data,
  })

test('the npm plugin opens and pays over BTP, many packets at a time', async ({ relay }) => {
  const hub = plugin(relay, HUB_TOKEN)
  await hub.connect()
  try {
    const who = person()
    const me = payer(who, relay.self, relay.stream.address)
    const open = me.open()
    const answer = Ilp.deserializeIlpReply(
      await hub.sendData(prepare(0n, me.free(open), me.data(open))),
    )
    assert.ok('fulfillment' in answer, JSON.stringify(answer))
    const secret = me.secretOf(JSON.parse(answer.data.toString()))
    const pay = (sequence: bigint, amount: bigint) => {
      const event = me.money(open.id, { sequence, total: sequence * 10n, min: 10n })
      const condition = me.condition(me.fulfillment(secret, sequence))
      return hub.sendData(prepare(amount, condition, me.data(event)))
    }
    const first = await pay(1n, 10n)
    assert.ok('fulfillment' in Ilp.deserializeIlpReply(first), first.toString())
    // Answers find their way by the request's id: a new payment among queries.
    const replies = await Promise.all([pay(5n, 0n), pay(6n, 0n), pay(2n, 10n), pay(7n, 0n)])
    const codes = replies.map(bytes => {
      const reply = Ilp.deserializeIlpReply(bytes)
      return 'code' in reply ? reply.code : 'fulfilled'
    })
    assert.equal(codes, ['F99', 'F99', 'fulfilled', 'F99'])
  } finally {
    await hub.disconnect()
  }
})

/** Sends frames and gives what comes back until the socket is closed. */
async function talk(relay: IlpRelay, ...frames: (Buffer | string)[]) {
  const ws = new WebSocket(`${relay.url}/ilp/btp`)
  const heard: Buffer[] = []
  ws.on('message', data => heard.push(data as Buffer))
  await new Promise(resolve => ws.once('open', resolve))
  for (const frame of frames) ws.send(frame)
  const code = await new Promise<number>(resolve => ws.once('close', resolve))
  return { code, heard }
}

const auth = (token: string) =>
  Btp.serializeMessage(1, [
    { protocolName: 'auth', contentType: 0, data: Buffer.alloc(0) },
    { protocolName: 'auth_token', contentType: 1, data: Buffer.from(token) },
  ])

test('no token, no packets', async ({ relay }) => {
  const wrong = await talk(relay, auth('not-the-token-of-a-peer'))
  assert.is(wrong.code, 1008)
  assert.is(Btp.deserialize(wrong.heard[0] as Buffer).type, Btp.TYPE_ERROR)
  const packet = Btp.serializeMessage(1, [
    { protocolName: 'ilp', contentType: 0, data: Buffer.of(12) },
  ])
  assert.is((await talk(relay, packet)).code, 1008)
  assert.is((await talk(relay, 'hello')).code, 1003)
  assert.is((await talk(relay, Buffer.of(6, 0, 0))).code, 1003)
})

test('what is not a PREPARE gets an ERROR, and the connection goes on', async ({ relay }) => {
  const ws = new WebSocket(`${relay.url}/ilp/btp`)
  await new Promise(resolve => ws.once('open', resolve))
  const ask = async (frame: Buffer) => {
    const heard = new Promise<Buffer>(resolve =>
      ws.once('message', data => resolve(data as Buffer)),
    )
    ws.send(frame)
    return Btp.deserialize(await heard)
  }
  assert.is((await ask(auth(HUB_TOKEN))).type, Btp.TYPE_RESPONSE)
  const fulfill = Ilp.serializeIlpFulfill({ fulfillment: Buffer.alloc(32), data: Buffer.alloc(0) })
  for (const data of [Buffer.of(1, 2), fulfill]) {
    const said = await ask(Btp.serializeMessage(7, [{ protocolName: 'ilp', contentType: 0, data }]))
    assert.equal([said.type, said.requestId], [Btp.TYPE_ERROR, 7])
  }
  const transfer = { amount: '5', protocolData: [] }
  const refused = await ask(Btp.serializeTransfer(transfer, 8, []))
  assert.equal([refused.type, refused.requestId], [Btp.TYPE_ERROR, 8])
  const other = [{ protocolName: 'info', contentType: 0, data: Buffer.of(0) }]
  assert.is((await ask(Btp.serializeMessage(9, other))).type, Btp.TYPE_RESPONSE)
  ws.close()
})

test('messages are read and answered as the npm library does', () => {
  const part = fc.record({
    // The npm library looks names up in a plain object, where "constructor" is something else.
    protocolName: fc.stringMatching(/^[a-z_]{1,20}$/).filter(name => !(name in {})),
    contentType: fc.constantFrom(0, 1, 2),
    data: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
  })
  const requestId = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(requestId, fc.array(part, { maxLength: 5 }), (id, parts) => {
      const read = readBtp(Btp.serializeMessage(id, parts))
      assert.is(read.requestId, id)
      assert.equal(
        read.parts.map(({ name, data }) => [name, Buffer.from(data).toString('hex')]),
        parts.map(({ protocolName, data }) => [protocolName, data.toString('hex')]),
      )
      const said = parts.map(({ protocolName, data }) => ({ name: protocolName, data }))
      const response = Btp.deserialize(Buffer.from(btpResponse(id, said)))
      assert.is(response.type, Btp.TYPE_RESPONSE)
      assert.is(response.data.protocolData.length, parts.length)
    }),
  )
  const error = Btp.deserialize(Buffer.from(btpError(3, 'no', 1_700_000_000_123)))
  assert.ok('code' in error.data)
  assert.equal([error.data.code, error.data.data], ['F00', 'no'])
  assert.is(new Date(error.data.triggeredAt).getTime(), 1_700_000_000_123)
})

test('bytes that are no message are refused, never with a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), junk => {
      try {
        readBtp(junk)
      } catch (error) {
        assert.instance(error, OerError)
      }
    }),
    { numRuns: 2000 },
  )
})

test.run()
