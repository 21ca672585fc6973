/** What a client may do at once, seen from outside: a relay behind a proxy, and clients that the proxy names. */
import { once } from 'node:events'
import { Registry } from 'prom-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { clientPace } from '../../relay/client-pace.ts'
import { connect, person, startRelay, type TestRelay } from '../harness.ts'

const BURST = 10
const FAST = `rate-limited: messages from your address come too fast, wait a moment`

const test = suite<{ relay: TestRelay; stop(): Promise<void> }>('pace of clients')
test.before(async context => {
  // A clock that stands still gives no tokens back.
  context.relay = await startRelay({
    plugins: [],
    clock: {
      now: (
        now => () =>
          now
      )(Date.now()),
    },
    set: [
      'relay.realIpHeader=x-forwarded-for',
      'relay.rateLimit.messagesPerSecond=1',
      `relay.rateLimit.messageBurst=${BURST}`,
      'relay.rateLimit.connectionsPerIp=2',
    ],
  })
})
test.after(({ relay }) => relay.stop())

const from = ({ url }: TestRelay, ip: string) => connect(url, { 'x-forwarded-for': ip })

/** A client whose network has no message left. */
async function tired(relay: TestRelay, ip: string) {
  const client = await from(relay, ip)
  for (let i = 0; i < BURST; i++) client.send(['CLOSE', 'x'])
  return client
}

test('every verb beyond the pace is refused in its own words', async ({ relay }) => {
  const client = await tired(relay, '192.0.2.1')
  const event = person().sign({ kind: 1, content: 'too much' })
  assert.equal(await client.publish(event), [false, FAST])
  const auth = person().sign({ kind: 22242 })
  client.send(['AUTH', auth])
  assert.equal(await client.next(m => m[1] === auth.id), ['OK', auth.id, false, FAST])
  const answers: [unknown[], unknown[]][] = [
    [
      ['REQ', 'r', {}],
      ['CLOSED', 'r', FAST],
    ],
    [
      ['COUNT', 'c', {}],
      ['CLOSED', 'c', FAST],
    ],
    [
      ['NEG-OPEN', 'n', {}, '61'],
      ['NEG-ERR', 'n', FAST],
    ],
    [
      ['NEG-MSG', 'm', '61'],
      ['NEG-ERR', 'm', FAST],
    ],
    [
      ['CLOSE', 'x'],
      ['NOTICE', FAST],
    ],
    [['NONSENSE'], ['NOTICE', FAST]],
  ]
  for (const [message, answer] of answers) {
    client.send(message)
    assert.equal(await client.next(m => m[0] !== 'AUTH'), answer)
  }
  const other = await from(relay, '192.0.2.2')
  assert.equal(
    await other.req('s', { ids: [event.id] }),
    [],
    'others go on, and nothing was stored',
  )
  other.close()
  client.close()
})

test('the pace is that of the network, over all its connections', async ({ relay }) => {
  const first = await tired(relay, '2001:db8::1')
  await first.next(m => m[0] === 'AUTH')
  first.send(['REQ', 'fence', {}])
  await first.next(m => m[0] === 'CLOSED')
  const second = await from(relay, '2001:db8::2')
  assert.match(String(await second.req('s', {}).catch(e => e.message)), /^rate-limited:/)
  const neighbour = await from(relay, '2001:db8:0:1::1')
  assert.equal(await neighbour.req('s', {}), [])
  for (const client of [first, second, neighbour]) client.close()
})

test('who goes on and on is closed with 1008, and pings count like messages', async ({ relay }) => {
  const talker = await tired(relay, '192.0.2.3')
  const ended = once(talker.ws, 'close')
  for (let i = 0; i < 101; i++) talker.send(['CLOSE', 'x'])
  assert.is((await ended)[0], 1008)

  const { ws } = await from(relay, '192.0.2.4')
  const closed = once(ws, 'close')
  let sent = 0
  // One at a time: ws itself cuts who sends a hundred without reading an answer.
  const next = () => ws.readyState === ws.OPEN && sent++ < BURST + 101 && ws.ping()
  ws.on('pong', next)
  next()
  const [code, reason] = await closed
  assert.is(code, 1008)
  assert.match(String(reason), /^rate-limited: /)
})

test('a connection too many from one network is 429; one that ends makes room', async ({
  relay,
}) => {
  const headers = { 'x-forwarded-for': '192.0.2.5' }
  const [first, second] = [await from(relay, '192.0.2.5'), await from(relay, '192.0.2.5')]
  const refused = new WebSocket(relay.url, { headers })
  const [, response] = await once(refused, 'unexpected-response')
  assert.is(response.statusCode, 429)
  const body: Buffer[] = await response.toArray()
  assert.match(
    JSON.parse(Buffer.concat(body).toString()).error,
    /^rate-limited: too many connections/,
  )
  // A lie further left makes no other client of it.
  const liar = new WebSocket(relay.url, { headers: { 'x-forwarded-for': '127.0.0.1, 192.0.2.5' } })
  assert.is((await once(liar, 'unexpected-response'))[1].statusCode, 429)
  liar.on('error', () => undefined).terminate()
  ;(await from(relay, '192.0.2.6')).close()
  first.close()
  const end = Date.now() + 5000
  for (let back = false; !back; ) {
    back = await from(relay, '192.0.2.5').then(
      client => {
        client.close()
        return true
      },
      () => Date.now() > end,
    )
  }
  assert.ok(Date.now() < end)
  second.close()
})

test('this machine is exempt, and refusals are counted', async ({ relay }) => {
  const client = await connect(relay.url)
  for (let i = 0; i < BURST * 5; i++) client.send(['CLOSE', 'x'])
  assert.equal(await client.req('s', {}), [])
  client.close()
  const metrics = await (await fetch(`${relay.http}/metrics`)).text()
  for (const what of ['connection', 'message', 'closed'])
    assert.match(metrics, new RegExp(`^sluice_rate_limited_total{what="${what}"} [1-9]`, 'm'))
})

test('0 switches a limit off, and what was refused is forgiven with time', () => {
  let now = 0
  const pace = (messagesPerSecond: number, connectionsPerIp: number) => {
    const limits = { messagesPerSecond, messageBurst: 1, connectionsPerIp, exempt: [] }
    const clock = { now: () => now }
    return clientPace({ limits: () => limits, clock, metrics: new Registry() })
  }
  const open = pace(0, 0)
  for (let i = 0; i < 1000; i++) assert.is(open.arrive('192.0.2.1')?.take(), 'go')
  const slow = pace(1, 1).arrive('192.0.2.1')
  assert.is(slow?.take(), 'go')
  const verdicts = (count: number) => new Set(Array.from({ length: count }, () => slow?.take()))
  assert.equal([...verdicts(100)], ['refuse'])
  assert.is(slow?.take(), 'close')
  now += 50_000
  assert.is(slow?.take(), 'go')
  assert.equal([...verdicts(49)], ['refuse'])
})

test('limits that change are met at once', () => {
  const limits = {
    messagesPerSecond: 1,
    messageBurst: 1,
    connectionsPerIp: 2,
    exempt: [] as string[],
  }
  let current = limits
  const clock = { now: () => 0 }
  const pace = clientPace({ limits: () => current, clock, metrics: new Registry() })
  const first = pace.arrive('192.0.2.1')
  assert.equal([first?.take(), first?.take()], ['go', 'refuse'])
  current = { ...limits, messagesPerSecond: 0, connectionsPerIp: 1 }
  assert.is(first?.take(), 'go')
  assert.is(pace.arrive('192.0.2.1'), undefined)
  current = { ...limits, exempt: ['192.0.2.1'] }
  assert.is(pace.arrive('192.0.2.1')?.take(), 'go')
})

test.run()
