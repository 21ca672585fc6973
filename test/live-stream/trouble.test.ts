import { Registry } from 'prom-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { errorsOf, isTrouble, troubles } from '../../plugins/live-stream/trouble.ts'
import type { Host } from '../../plugins/plugin.ts'
import { liveStream } from '../payments/bench.ts'
import { openStore } from '../policies/ask.ts'
import { silent } from '../relay/naive.ts'

const stream = liveStream('a'.repeat(64), { amount: 1n, unit: 'second' }, {})

/** As much of a host as keeping errors needs, over the real store. */
function keeper() {
  const { store, close } = openStore()
  const time = { now: 1_790_000_000_000 }
  const told: unknown[] = []
  const metrics = new Registry()
  const { note } = troubles({
    metrics,
    log: silent,
    clock: { now: () => time.now },
    telemetry: { emit: (_, what) => void told.push(what), on: () => () => undefined },
  } as Partial<Host> as Host)
  const say = (cause: string, source: Parameters<typeof note>[2] = 'media') =>
    store.transaction(tx => note(tx, stream, source, cause))
  return { store, close, time, told, metrics, say }
}

test('errors are kept newest first, and the same again is counted', async () => {
  const { store, close, time, told, metrics, say } = keeper()
  await say('the engine died')
  time.now += 1000
  await say('the engine died')
  await say('no keyframe')
  await say('no keyframe', 'health')
  const errors = await errorsOf(store, stream.id)
  assert.equal(
    errors.map(({ source, cause, times }) => [source, cause, times]),
    [
      ['health', 'no keyframe', 1],
      ['media', 'no keyframe', 1],
      ['media', 'the engine died', 2],
    ],
  )
  assert.is((errors[2]?.lastAt ?? 0) - (errors[2]?.at ?? 0), 1000)
  assert.is(told.length, 4)
  assert.match(await metrics.metrics(), /sluice_stream_errors_total\{source="media"\} 3/)
  await close()
})

test('what a host reads holds no address and does not go on for ever', async () => {
  const { store, close, say } = keeper()
  await say(`could not reach rtmp://live.example.com/app/KEY and ${'x'.repeat(1000)}`)
  const [error] = await errorsOf(store, stream.id)
  assert.not.match(error?.cause ?? '', /KEY|live\.example/)
  assert.ok((error?.cause.length ?? 0) <= 300)
  await close()
})

test('coming and going is no trouble, and everything else is', () => {
  for (const cause of [
    'connection closed',
    'the publisher stopped',
    'the publisher is gone',
    'another publisher took over with the same key',
    'the relay is going down',
  ])
    assert.not(isTrouble(cause), cause)
  for (const cause of [
    'the video is hvc1: set the encoder to H.264 (x264, NVENC H.264)',
    'sent no keyframe for too long: set the keyframe interval to 2 s',
    'sent more than liveStream.local.maxBitrateKbps',
  ])
    assert.ok(isTrouble(cause), cause)
})

test.run()
