/** What stands between us and the provider: limiter, breaker, and which failures mean what. */
import { Registry } from 'prom-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MediaUnavailable } from '../../plugins/live-stream/backend.ts'
import { livepeerOptions } from '../../plugins/live-stream/livepeer/options.ts'
import { Breaker } from '../../plugins/live-stream/livepeer/provider/breaker.ts'
import {
  BadAnswer,
  classify,
  ProviderRefused,
} from '../../plugins/live-stream/livepeer/provider/failure.ts'
import { providerGuard } from '../../plugins/live-stream/livepeer/provider/guard.ts'
import { Limiter } from '../../plugins/live-stream/livepeer/provider/limiter.ts'

const answer = (status: number, headers: Record<string, string> = {}) =>
  new BadAnswer(new Response('{}', { status, headers }), '{}')

test('a failure is a refusal, a limit, or broken', () => {
  assert.equal(classify(answer(404), 0), { kind: 'refused', status: 404, said: '' })
  assert.equal(classify(answer(429, { 'retry-after': '3' }), 0), { kind: 'limited', afterMs: 3000 })
  const date = new Date(60_000).toUTCString()
  assert.equal(classify(answer(429, { 'retry-after': date }), 50_000), {
    kind: 'limited',
    afterMs: 10_000,
  })
  for (const header of ['', 'soon', '-5'])
    assert.equal(classify(answer(429, { 'retry-after': header }), 50_000).kind, 'limited', header)
  assert.equal(classify(answer(429, { 'retry-after': '99999999' }), 0), {
    kind: 'limited',
    afterMs: 600_000,
  })
  for (const error of [answer(500), answer(503), answer(408), new TypeError('x'), 'x', undefined])
    assert.is(classify(error, 0).kind, 'broken')
})

test('the breaker opens after five failures, lets one try, and rests longer each time', () => {
  const breaker = new Breaker()
  for (let i = 0; i < 4; i++) breaker.failed(0)
  assert.is(breaker.state(0), 'closed')
  breaker.succeeded()
  for (let i = 0; i < 5; i++) breaker.failed(0)
  assert.is(breaker.state(0), 'open')
  assert.not(breaker.admit(1999))
  assert.is(breaker.state(2000), 'half-open')
  assert.ok(breaker.admit(2000))
  assert.not(breaker.admit(2000), 'one tries')
  breaker.failed(2000)
  assert.not(breaker.admit(5999))
  assert.ok(breaker.admit(6000), 'after four seconds now')
  breaker.succeeded()
  assert.is(breaker.state(6000), 'closed')
})

test('the limiter gives a burst, then spaces out, and keeps to what the provider asked for', () => {
  const limiter = new Limiter(2, 0)
  assert.equal(
    [1, 2, 3, 4].map(() => limiter.take(0, 5000)),
    [0, 0, 0, 0],
  )
  assert.is(limiter.take(0, 5000), 500)
  assert.is(limiter.take(0, 5000), 1000)
  assert.is(limiter.take(0, 1000), undefined, 'too long')
  assert.is(limiter.take(0, 5000), 1500, 'and took no place')
  limiter.pause(60_000)
  assert.is(limiter.take(50_000, 5000), undefined)
  assert.is(limiter.take(58_000, 5000), 2000)
  assert.is(limiter.take(61_000, 5000), 0)
})

function guarded() {
  const nowMs = 1000
  const metrics = new Registry()
  const guard = providerGuard({
    clock: { now: () => nowMs },
    metrics,
    requestsPerSecond: 1000,
    apiKey: 'the-key',
    random: () => 0,
  })
  return { guard, metrics }
}
const caught = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    error => error,
  )

test('only what may be done twice is done again when its outcome is unknown', async () => {
  const { guard } = guarded()
  let runs = 0
  const failing = async () => {
    runs += 1
    throw answer(500)
  }
  const once = await caught(guard.call('create', false, failing))
  assert.instance(once, MediaUnavailable)
  assert.ok(once.retryAt > 1000 && Number.isInteger(once.retryAt))
  assert.match(once.problem, /it answered 500/)
  assert.is(runs, 1)
  await caught(guard.call('get', true, failing))
  assert.is(runs, 4)
})

test('what the provider says of a refusal is passed on without the key, and never a whole answer', async () => {
  const { guard } = guarded()
  const body = JSON.stringify({ errors: ['no width for the-key'], streamKey: 'a-stream-key' })
  const wrong = new BadAnswer(new Response(body, { status: 422 }), body)
  const refused = await caught(guard.call('create', false, () => Promise.reject(wrong)))
  assert.is(refused.message, 'livepeer: create was refused with 422: no width for ***')
  const odd = Object.assign(new Error(`half of ${body}`), { name: 'SyntaxError' })
  for (const error of [refused, await caught(guard.call('get', true, () => Promise.reject(odd)))]) {
    assert.is(error.cause, undefined)
    assert.not.match(error.message, /the-key|a-stream-key/)
  }
})

test('a refusal is passed on and counts as a sign of life; a short limit is waited out by all', async () => {
  const { guard, metrics } = guarded()
  const refused = await caught(guard.call('get', true, () => Promise.reject(answer(404))))
  assert.instance(refused, ProviderRefused)
  assert.is(refused.status, 404)
  let runs = 0
  const limited = async () => {
    runs += 1
    if (runs === 1) throw answer(429, { 'retry-after': '0' })
    return 'done'
  }
  assert.is(await guard.call('create', false, limited), 'done', 'nothing had been done')
  const long = () => Promise.reject(answer(429, { 'retry-after': '30' }))
  const later = await caught(guard.call('get', true, long))
  assert.ok(later.retryAt >= 31_000)
  assert.is(later.problem, undefined, 'no trouble of the host')
  const other = await caught(guard.call('list', true, async () => 'done'))
  assert.instance(other, MediaUnavailable, 'all wait')
  assert.match(await metrics.metrics(), /requests_total\{operation="get",outcome="limited"\} 1/)
})

test('six requests are on their way at most, and who is locked out says so', async () => {
  const { guard } = guarded()
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  const flying = Array.from({ length: 6 }, () => guard.call('get', true, () => held))
  await new Promise(resolve => setImmediate(resolve))
  assert.instance(await caught(guard.call('get', true, async () => 1)), MediaUnavailable)
  release()
  await Promise.all(flying)
  assert.is(await guard.call('get', true, async () => 1), 1)
  const locked = await caught(guard.call('get', true, () => Promise.reject(answer(401))))
  assert.match(locked.problem, /does not let this relay in/)
})

test('profiles are names of the ladder or written out; what is neither is refused in words', () => {
  const { profiles } = livepeerOptions.parse({ profiles: ['720p', '540p 960x540@30 2000'] })
  assert.equal(profiles[0]?.width, 1280)
  assert.equal(profiles[1], { name: '540p', width: 960, height: 540, bitrate: 2_000_000, fps: 30 })
  assert.equal(
    livepeerOptions.parse({}).profiles.map(one => one.name),
    ['1080p', '720p', '480p'],
  )
  for (const wrong of ['999p', 'tiny 100x100 200', 'source 640x360 800', '540p 960x540'])
    assert.throws(() => livepeerOptions.parse({ profiles: [wrong] }), /is no profile: 1080p/)
  assert.throws(() => livepeerOptions.parse({ serverUrl: 'file:///etc' }))
  assert.throws(() => livepeerOptions.parse({ rtmpUrl: 'http://x' }), /rtmp:/)
})

test.run()
