import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Filter } from '../../events/index.ts'
import { shapeOf } from '../../relay/metrics.ts'
import { connect, person, startRelay } from '../harness.ts'

test('the shape of a query is what the store looks for', () => {
  const shapes: [Filter[], string][] = [
    [[{}], 'all'],
    [[{ kinds: [1], limit: 5 }], 'kind'],
    [[{ authors: [], kinds: [1] }], 'author+kind'],
    [[{ '#a': ['x'], kinds: [1311] }], 'tag+kind'],
    [[{ ids: ['x'], kinds: [1] }], 'ids'],
    [[{ search: 'x', kinds: [1] }], 'search'],
    [[{}, {}], 'several filters'],
  ]
  for (const [filters, shape] of shapes) assert.is(shapeOf(filters), shape)
})

test('/metrics counts verdicts, messages, queries, what is sent, and the writer', async () => {
  const relay = await startRelay({ set: ['plugins=[]'] })
  const [reader, writer, who] = [await connect(relay.url), await connect(relay.url), person()]
  await writer.publish(who.sign({ kind: 1 }))
  await reader.req('notes', { kinds: [1] })
  await writer.publish(who.sign({ kind: 1, content: 'live' }))
  await reader.next(m => m[0] === 'EVENT')
  const forged = { ...who.sign({ kind: 1, content: 'x' }), sig: '0'.repeat(128) }
  assert.match((await writer.publish(forged))[1], /^invalid:/)
  await writer.publish(who.sign({ kind: 1, created_at: 1 }))
  const text = await (await fetch(`${relay.http}/metrics`)).text()
  const value = (name: string) => {
    const line = text.split('\n').find(one => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }
  assert.is(value('sluice_events_total{verdict="accept"}'), 2)
  assert.is(value('sluice_events_total{verdict="invalid"}'), 2)
  assert.is(value('sluice_messages_total{type="EVENT"}'), 4)
  assert.is(value('sluice_messages_total{type="REQ"}'), 1)
  assert.is(value('sluice_queries_total{shape="kind"}'), 1)
  assert.is(value('sluice_events_sent_total{how="stored"}'), 1)
  assert.is(value('sluice_events_sent_total{how="live"}'), 1)
  assert.is(value('sluice_verifications_total'), 4)
  assert.is(value('sluice_writer_transactions_total'), 2)
  assert.is(value('sluice_subscriptions'), 1)
  assert.is(value('sluice_connections'), 2)
  for (const name of [
    'sluice_verify_seconds_total',
    'sluice_query_seconds_total{shape="kind"}',
    'sluice_sync_seconds_total',
    'sluice_writer_groups_total',
  ])
    assert.ok((value(name) ?? 0) > 0, name)
  for (const name of [
    'sluice_writer_queue',
    'sluice_search_queue',
    'sluice_events_in_flight',
    'sluice_outbound_pending_bytes',
    'sluice_outbound_pending_bytes_max',
  ])
    assert.is(value(name), 0, name)
  reader.close()
  writer.close()
  await relay.stop()
})

test.run()
