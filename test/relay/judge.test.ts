import { Registry } from 'prom-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { NostrEvent } from '../../events/index.ts'
import { accept, definePlugin, type Policy } from '../../plugins/plugin.ts'
import { judge } from '../../relay/judge.ts'
import { pluginTimes } from '../../relay/plugin-times.ts'
import { slowCalls } from '../../relay/slow-calls.ts'
import { connect, person, startRelay } from '../harness.ts'
import { from, note } from '../policies/ask.ts'
import { keptLog } from '../reload/fixtures.ts'

const internalError = { action: 'reject', msg: 'error: internal error' }

/** What JavaScript may give that TypeScript would not. */
const noDecisions: [string, unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['true', true],
  ['a text', 'accept'],
  ['an action that is none', { action: 'acept' }],
  ['a rejection without a sentence', { action: 'reject' }],
  ['a promise of nothing', Promise.resolve()],
  ['a promise of another action', Promise.resolve({ action: 'maybe' })],
]

for (const [what, given] of noDecisions)
  test(`a policy that gives ${what} refuses, and the log names its plugin`, async () => {
    const { log, lines } = keptLog()
    const answer = () => given as ReturnType<NonNullable<Policy['write']>>
    const policy: Policy = { name: 'forgetful', write: answer, read: answer }
    const asked = judge([policy], { deadlineMs: 1000, log, pluginOf: () => 'careless' })
    assert.equal(await asked.write(note(), from()), internalError)
    assert.equal(await asked.read({ verb: 'REQ', filters: [{}] }, from()), internalError)
    assert.is(lines.length, 2)
    for (const { plugin, policy, level } of lines)
      assert.equal([plugin, policy, level], ['careless', 'forgetful', 'error'])
  })

test('a visible that answers later, or with nothing, hides', () => {
  for (const given of [undefined, Promise.resolve(true), 'yes']) {
    const policy: Policy = { name: 'odd', visible: () => given as unknown as boolean }
    const asked = judge([policy], { deadlineMs: 1000, log: keptLog().log })
    assert.not(asked.shows(note(), []))
  }
  const open: Policy = { name: 'open', visible: () => true }
  assert.ok(judge([open], { deadlineMs: 1000, log: keptLog().log }).shows(note(), []))
})

test('each hook is timed by plugin, policies one call in sixteen; a slow one is named once a minute', async () => {
  const metrics = new Registry()
  const { log, lines } = keptLog()
  let now = 100_000
  const clock = { now: () => now }
  const slow = slowCalls({ metrics, log, clock, slowMs: () => 5 })
  const times = pluginTimes({ metrics, slow })
  const busy: Policy = {
    name: 'busy',
    write() {
      for (const end = performance.now() + 6; performance.now() < end; );
      return accept
    },
    visible: () => true,
  }
  const asked = judge([busy], { deadlineMs: 1000, log, pluginOf: () => 'heavy', times })
  for (let i = 0; i < 33; i++) await asked.write(note(), from())
  for (let i = 0; i < 17; i++) asked.shows(note(), [])
  const text = await metrics.metrics()
  assert.match(text, /sluice_plugin_calls_total\{plugin="heavy",hook="write"\} 48/)
  assert.match(text, /sluice_plugin_calls_total\{plugin="heavy",hook="visible"\} 32/)
  const seconds = Number(/seconds_total\{plugin="heavy",hook="write"\} (\S+)/.exec(text)?.[1])
  assert.ok(seconds >= 48 * 0.006, `${seconds} s of 48 calls of 6 ms`)
  assert.is(lines.length, 1)
  assert.equal(
    [lines[0]?.plugin, lines[0]?.hook, lines[0]?.text],
    ['heavy', 'write', 'a call was slow'],
  )
  now += 60_000
  for (let i = 0; i < 16; i++) await asked.write(note(), from())
  assert.is(lines.length, 2)
  assert.is(lines[1]?.calls, 3, 'with those that were passed over')
  times.of('patient', 'job').took(10_000)
  assert.is(lines.length, 2, 'a job may take its time')
})

test('what answers later is found slow each time, with what it was about; 0 finds nothing', async () => {
  const metrics = new Registry()
  const { log, lines } = keptLog()
  let slowMs = 5
  const slow = slowCalls({ metrics, log, clock: { now: () => 1000 }, slowMs: () => slowMs })
  const later = () => new Promise<typeof accept>(done => setTimeout(() => done(accept), 12))
  const policy: Policy = { name: 'p', write: later, read: later }
  const times = pluginTimes({ metrics, slow })
  const asked = judge([policy], { deadlineMs: 1000, log, pluginOf: () => 'patient', times })
  const event = note()
  for (let i = 0; i < 3; i++) await asked.write(event, from())
  await asked.read({ verb: 'REQ', filters: [{ search: 'x'.repeat(1000) }] }, from())
  const found = slow.newest().map(({ ms, ...rest }) => rest)
  const filters = `[{"search":"${'x'.repeat(288)}`
  assert.equal(found, [
    { at: 1000, plugin: 'patient', hook: 'read', filters, calls: 1 },
    {
      at: 1000,
      plugin: 'patient',
      hook: 'write',
      event: { id: event.id, kind: event.kind },
      calls: 3,
    },
  ])
  assert.is(lines.length, 1)
  assert.not(JSON.stringify(lines).includes('xxx'), 'what was asked for stays out of the log')
  const text = await metrics.metrics()
  assert.match(text, /sluice_slow_threshold_seconds 0.005/)
  assert.match(text, /sluice_slow_calls_total\{plugin="patient",hook="write"\} 3/)
  for (slowMs of [0, 1000]) await asked.write(event, from())
  assert.is(slow.newest()[1]?.calls, 3)
})

test('each minute of a hook stands once, with its slowest call; a hundred are kept', () => {
  let now = 0
  const { log } = keptLog()
  const metrics = new Registry()
  const slow = slowCalls({ metrics, log, clock: { now: () => now }, slowMs: () => 250 })
  const took = (at: number, hook: string, ms: number) => {
    now = at
    slow.took('p', hook, ms)
  }
  took(60_000, 'write', 300)
  took(60_500, 'write', 900.4)
  took(60_600, 'read', 400)
  for (let i = 0; i < 500; i++) took(119_999, 'write', 251)
  took(119_999, 'write', 250)
  took(120_000, 'write', 260)
  assert.equal(slow.newest(), [
    { at: 120_000, plugin: 'p', hook: 'write', ms: 260, calls: 1 },
    { at: 60_600, plugin: 'p', hook: 'read', ms: 400, calls: 1 },
    { at: 60_500, plugin: 'p', hook: 'write', ms: 900, calls: 502 },
  ])
  for (let minute = 3; minute < 150; minute++) took(minute * 60_000, 'write', 300)
  assert.is(slow.newest().length, 100)
  assert.is(slow.newest()[0]?.at, 149 * 60_000)
})

test('a handler owns an ephemeral kind: nobody else sees it; others are passed on', async () => {
  const KEPT = 20_001
  const taken: NostrEvent[] = []
  const keeper = definePlugin({
    name: 'keeper',
    options: z.object({}),
    setup: () => ({
      handles: {
        [KEPT]: async event => {
          taken.push(event)
          return { action: 'accept', msg: 'info: taken' }
        },
      },
      info: () => ({ self: 'f'.repeat(64), name: 'Kept' }),
    }),
  })
  const relay = await startRelay({ plugins: [keeper] })
  const [reader, writer, who] = [await connect(relay.url), await connect(relay.url), person()]
  await reader.req('all', { kinds: [KEPT, 20_002] })
  assert.equal(await writer.publish(who.sign({ kind: KEPT })), [true, 'info: taken'])
  assert.equal(await writer.publish(who.sign({ kind: 20_002 })), [true, ''])
  const heard = await reader.next(m => m[0] === 'EVENT')
  assert.is((heard[2] as NostrEvent).kind, 20_002)
  assert.is(taken.length, 1)

  const response = await fetch(relay.http, { headers: { accept: 'application/nostr+json' } })
  const info = (await response.json()) as { self: string; name: string }
  assert.equal([info.self, info.name], [relay.relay.self, 'Kept'], 'self is nobody else to say')
  const metrics = await (await fetch(`${relay.http}/metrics`)).text()
  assert.match(metrics, /sluice_plugin_calls_total\{plugin="keeper",hook="handle"\} 1/)
  reader.close()
  writer.close()
  await relay.stop()
})

test('a handler may answer at once or leave the event to the relay; one without a decision stores nothing', async () => {
  const answers: Record<string, unknown> = { now: { action: 'accept' }, leave: 'store' }
  const owner = definePlugin({
    name: 'owner',
    options: z.object({}),
    // As JavaScript might have it.
    setup: () => ({ handles: { 1: event => answers[event.content] as never } }),
  })
  const relay = await startRelay({ plugins: [owner] })
  const [client, who] = [await connect(relay.url), person()]
  const say = (content: string) => client.publish(who.sign({ kind: 1, content }))
  assert.equal(await say('now'), [true, ''])
  assert.equal(await say('leave'), [true, ''])
  const [ok, msg] = await say('forgotten')
  assert.is(ok, false)
  assert.match(msg, /^error: /)
  const stored = await client.req('all', { kinds: [1] })
  assert.equal(
    stored.map(({ content }) => content),
    ['leave'],
  )
  client.close()
  await relay.stop()
})

test.run()
