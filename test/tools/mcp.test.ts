import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { balanceOf } from '../../plugins/payment-stream/ledger.ts'
import { openPurse } from '../../scripts/mcp/purse.ts'
import { announce, Person } from '../flows/independent.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { built } from './sluice.ts'

interface Context {
  relay: TestRelay
  state: string
  key: string
  started: Client[]
}
const test = suite<Context>('sluice mcp')
test.before(async context => {
  context.relay = await startRelay()
  context.state = mkdtempSync(join(tmpdir(), 'sluice-mcp-'))
  context.key = generateSecret()
  context.started = []
})
test.after.each(async ({ started }) => {
  for (const client of started.splice(0)) await client.close()
})
test.after(async ({ relay, state }) => {
  await relay.stop()
  rmSync(state, { recursive: true, force: true })
})

/** The server as an agent's program starts it, and the SDK's own client on its stdio. */
async function agent({ relay, state, key, started }: Context, cap: string) {
  const args = ['--relay', relay.url, '--cap', cap, '--state', state]
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [built, 'mcp', ...args],
    env: { PATH: process.env.PATH ?? '', SLUICE_AGENT_KEY: key },
    stderr: 'pipe',
  })
  let stderr = ''
  transport.stderr?.on('data', chunk => {
    stderr += chunk
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport).catch(error => {
    throw new Error(`${stderr} ${error}`)
  })
  started.push(client)
  const call = async (name: string, input: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: input })
    const [content] = result.content as { text: string }[]
    return { refused: result.isError === true, text: content?.text ?? '' }
  }
  return {
    client,
    stderr: () => stderr,
    async does(name: string, input: Record<string, unknown>): Promise<Record<string, string>> {
      const { refused, text } = await call(name, input)
      assert.not(refused, text)
      return JSON.parse(text)
    },
    async isRefused(name: string, input: Record<string, unknown>): Promise<string> {
      const { refused, text } = await call(name, input)
      assert.ok(refused, text)
      return text
    },
    close: () => client.close(),
  }
}

test('an agent finds, opens, pays, watches and closes; its cap holds, also after a restart', async context => {
  const { relay } = context
  const streamer = await Person.connect(relay.url)
  const { address } = await announce(streamer, 'show', ['10', 'second', 'CREDIT'])
  const first = await agent(context, '150')
  assert.equal((await first.client.listTools()).tools.map(tool => tool.name).sort(), [
    'announce_stream',
    'close_payment_stream',
    'open_payment_stream',
    'request_stream_access',
    'send_stream_payment',
  ])
  assert.is(
    await first.isRefused('request_stream_access', { address }),
    'This stream costs 10 CREDIT per second: open a payment stream for it and pay.',
  )
  const { session = '', ...opened } = await first.does('open_payment_stream', { address })
  assert.is(opened.max_total, '150')
  const paid = await first.does('send_stream_payment', { session, amount: '100' })
  assert.is(paid.total_received, '100')
  assert.is(paid.cap_left, '50')
  assert.match(paid.playback_url ?? '', `${relay.http}/p/`)
  const watching = await first.does('request_stream_access', { address })
  assert.is(watching.playback_url, paid.playback_url)
  const capped = /^The spending cap is 150 CREDIT: 50 is left, this needs 51\.$/
  assert.match(await first.isRefused('send_stream_payment', { session, amount: '51' }), capped)

  // At once: the cap is one for all of them.
  const both = await Promise.allSettled([
    first.does('send_stream_payment', { session, amount: '30' }),
    first.does('send_stream_payment', { session, amount: '30' }),
  ])
  assert.is(both.filter(({ status }) => status === 'fulfilled').length, 1)
  await first.close()

  const again = await agent(context, '150')
  assert.match(
    await again.isRefused('send_stream_payment', { session, amount: '21' }),
    /20 is left, this needs 21/,
  )
  const more = await again.does('send_stream_payment', { session, amount: '20' })
  assert.is(more.total_received, '150')
  const closed = await again.does('close_payment_stream', { session })
  // The stream has not begun: nothing was due, and all of it may be spent again.
  assert.equal(closed, { kept: '0', refunded: '150', cap_left: '150' })
  assert.is(
    await again.isRefused('send_stream_payment', { session, amount: '1' }),
    'This session is closed.',
  )
  const me = await new LocalSigner(context.key).pubkey()
  assert.is(await balanceOf(relay.relay.store, 'CREDIT', `viewer:${me}`), 1000n)
  assert.not.match(again.stderr() + first.stderr(), context.key)
  await again.close()
  streamer.close()
})

test('an agent announces a stream and gets where to send the media; what is wrong it hears in a sentence', async context => {
  const mine = await agent(context, '0')
  const price = { amount: '5', unit: 'second', asset: 'CREDIT' }
  const { address = '', ingest } = await mine.does('announce_stream', {
    d: 'robots',
    title: 'Robots',
    price,
  })
  assert.match(address, /^30311:[0-9a-f]{64}:robots$/)
  assert.match(JSON.stringify(ingest), /rtmp:\/\//)
  assert.is(
    await mine.isRefused('open_payment_stream', { address }),
    'The spending cap is used up.',
  )
  assert.match(
    await mine.isRefused('announce_stream', {
      d: 'x',
      title: 'X',
      price: { ...price, unit: 'day' },
    }),
    /unit/,
  )
  assert.match(
    await mine.isRefused('request_stream_access', { address: `30311:${'0'.repeat(64)}:nothing` }),
    'This relay knows no such stream.',
  )
  assert.match(
    await mine.isRefused('send_stream_payment', { session: '0'.repeat(64), amount: '1' }),
    'This relay knows no such payment session of yours.',
  )
  assert.equal(await mine.does('announce_stream', { d: 'robots', title: 'R', status: 'ended' }), {
    ended: 'robots',
  })
  // A second server would spend the same cap again.
  const other = await agent(context, '5').catch((error: Error) => error.message)
  assert.match(String(other), /another sluice mcp spends from/)
  await mine.close()
})

test('whatever is promised, refused, repeated or settled: never more than the cap at risk', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-purse-'))
  const step = fc.record({
    session: fc.constantFrom('a', 'b', 'c'),
    more: fc.bigInt({ min: 0n, max: 60n }),
    op: fc.constantFrom('promise', 'promise', 'promise', 'settle', 'restart'),
  })
  let n = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const asset = `A${n++}`
      const cap = { amount: 100n, asset }
      const folder = mkdtempSync(join(dir, 'p-'))
      let purse = openPurse(folder, cap)
      // What the other side could have taken at most: the highest voucher signed in each session, or what it kept.
      const risk = new Map<string, bigint>()
      const over = new Set<string>()
      let sequence = 0n
      for (const { session, more, op } of steps) {
        if (op === 'restart') purse = openPurse(folder, cap)
        else if (op === 'settle') {
          const kept = (risk.get(session) ?? 0n) / 2n
          purse.settle(session, kept)
          if (risk.has(session) && !over.has(session)) risk.set(session, kept)
          if (risk.has(session)) over.add(session)
        } else {
          sequence += 1n
          try {
            purse.promise(session, asset, { total: more, sequence })
          } catch {
            continue
          }
          assert.not(over.has(session), 'a session that is over takes nothing')
          const before = risk.get(session) ?? 0n
          risk.set(session, more > before ? more : before)
        }
        const total = [...risk.values()].reduce((sum, one) => sum + one, 0n)
        assert.ok(total <= cap.amount, `${total} at risk`)
      }
    }),
    { numRuns: 100 },
  )
  rmSync(dir, { recursive: true, force: true })
})

test.run()
