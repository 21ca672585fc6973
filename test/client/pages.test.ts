import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nextTotal } from '../../client/schedule.ts'
import type { Stream } from '../../client/stream-book.ts'
import { MAX_AMOUNT } from '../../events/index.ts'
import {
  duration,
  embedPath,
  fullPriceText,
  money,
  pictureUrl,
  priceText,
  watchPath,
  when,
} from '../../web/app/format.ts'
import { routeOf } from '../../web/app/router.ts'
import { sectionsOf, topTags } from '../../web/discover/choose.ts'
import { emptyInput, showOf } from '../../web/go-live/my-show.ts'
import { parseMetrics, pluginCosts, total } from '../../web/operator/metrics.ts'
import { hasCaptions } from '../../web/watch/captions.ts'
import { atOrigin, ticketOf, withTicket } from '../../web/watch/ticket.ts'
import { haltFor } from '../../web/watch/video.ts'
import { captions608 } from '../media/cea608.ts'

const test = suite('pages')
const address = `30311:${'a'.repeat(64)}:my:show`

test('a stream’s page is found again by its path', () => {
  assert.equal(routeOf(watchPath(address)), { page: 'watch', address })
  assert.equal(routeOf('/'), { page: 'discover' })
  assert.equal(routeOf('/go-live'), { page: 'go-live' })
  assert.equal(routeOf('/operator'), { page: 'operator' })
  assert.equal(routeOf(embedPath(address)), { page: 'embed', address })
  for (const path of ['/watch/', '/watch/naddr1qqq', '/watch/<script>', '/admin'])
    assert.equal(routeOf(path), { page: 'unknown' }, path)
})

test('a new ticket takes the place of the old one, and of nothing else', () => {
  const url = 'http://x/p/old.token/480p/seg1.m4s'
  assert.is(ticketOf(url), 'old.token')
  assert.is(withTicket(url, 'new'), 'http://x/p/new/480p/seg1.m4s')
  assert.is(withTicket('https://cdn.example/live.m3u8', 'new'), 'https://cdn.example/live.m3u8')
  assert.is(
    atOrigin('http://127.0.0.1:7777/p/t/master.m3u8', 'https://r.example'),
    'https://r.example/p/t/master.m3u8',
  )
})

test('prices and times are said in words', () => {
  const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
  assert.is(fullPriceText(price), '10 credits a second, 36,000 credits an hour')
  assert.is(fullPriceText({ ...price, unit: 'hour' }), '10 credits an hour')
  assert.is(priceText({ amount: 1n, unit: 'minute', asset: 'CREDIT' }), '1 credit a minute')
  assert.is(money(21_000n, 'SAT'), '21,000 SAT')
  assert.is(duration(3723), '1:02:03')
  assert.is(duration(7), '0:07')
  assert.is(when(3599, 0), 'in 1 hour')
  assert.is(when(7200, 0), 'in 2 hours')
})

test('pictures are shown over https only', () => {
  assert.is(pictureUrl('https://x.example/a.png'), 'https://x.example/a.png')
  for (const url of ['http://x/a.png', 'javascript:alert(1)', 'data:image/png;base64,', 'x', ''])
    assert.is(pictureUrl(url), undefined, url)
})

test('the form’s words become an announcement, or a sentence', () => {
  const input = { ...emptyInput, title: ' Jazz ', category: 'music', tags: '#Piano, late  night' }
  const show = showOf(input)
  assert.ok(typeof show === 'object')
  if (typeof show === 'object') {
    assert.is(show.title, 'Jazz')
    assert.is(show.price?.amount, 10n)
    assert.is(show.freePreviewSeconds, 30)
    assert.equal(show.hashtags, ['music', 'piano', 'late', 'night'])
  }
  const free = showOf({ ...input, amount: '0' })
  assert.is(typeof free === 'object' && free.price, undefined)
  for (const amount of ['', '-1', '1.5', '0x10', '1e3'])
    assert.type(showOf({ ...input, amount }), 'string')
  for (const preview of ['-1', '3601', '1.5', 'x'])
    assert.type(showOf({ ...input, preview }), 'string')
})

const stream = (d: string, change: Partial<Stream> = {}): Stream => ({
  address: `30311:${'a'.repeat(64)}:${d}`,
  host: 'a'.repeat(64),
  d,
  title: d,
  summary: '',
  image: '',
  hashtags: [],
  streaming: [],
  freePreviewSeconds: 0,
  chat: 'open',
  phase: 'live',
  served: true,
  chatAddresses: [],
  ...change,
})

test('streams are found by words and tags, and followed hosts come first in each section', () => {
  const friend = 'b'.repeat(64)
  const streams = [
    stream('Cooking', { hashtags: ['Food'] }),
    stream('Jazz', { host: friend, hashtags: ['#music', 'food'] }),
    stream('Old jazz', { phase: 'ended', recording: 'https://x.example/a.m3u8' }),
    stream('Gone', { phase: 'ended' }),
  ]
  const titles = (some: readonly Stream[]) => some.map(({ title }) => title)
  const nobody = new Set<string>()
  const all = sectionsOf(streams, { text: '', tag: '' }, nobody, new Set([friend]))
  assert.equal(titles(all.live), ['Jazz', 'Cooking'])
  assert.equal(titles(all.recordings), ['Old jazz'])
  assert.equal(titles(all.ended), ['Gone'])
  const jazz = sectionsOf(streams, { text: 'JAZZ old', tag: '' }, nobody, nobody)
  assert.equal([titles(jazz.live), titles(jazz.recordings)], [[], ['Old jazz']])
  // What the relay's search found is shown whatever its words are.
  const found = new Set([streams[3]?.address ?? ''])
  assert.equal(titles(sectionsOf(streams, { text: 'x', tag: '' }, found, nobody).ended), ['Gone'])
  assert.equal(topTags(streams), ['food', 'music'])
  const tagged = sectionsOf(streams, { text: '', tag: 'music' }, nobody, nobody)
  assert.equal(titles(tagged.live), ['Jazz'])
})

test('the relay’s metrics are read, and plugins compared by what a call takes', () => {
  const samples = parseMetrics(`# HELP sluice_connections Open
sluice_connections 3
sluice_jobs{state="dead",plugin="a\\"b"} 2
sluice_plugin_calls_total{plugin="slow",hook="write"} 3
sluice_plugin_calls_total{plugin="slow",hook="handle"} 1
sluice_plugin_seconds_total{plugin="slow",hook="write"} 0.02
sluice_plugin_calls_total{plugin="slow",hook="job"} 9
sluice_plugin_calls_total{plugin="idle",hook="read"} 0
nonsense`)
  assert.is(total(samples, 'sluice_connections'), 3)
  assert.is(total(samples, 'sluice_jobs', { state: 'dead' }), 2)
  assert.is(total(samples, 'sluice_jobs', { state: 'waiting' }), 0)
  assert.equal(pluginCosts(samples), [
    { name: 'slow', calls: 4, averageMs: 5 },
    { name: 'idle', calls: 0, averageMs: 0 },
  ])
})

test('a schedule keeps its buffer, rounds up, and stays within its budget', () => {
  const rate = { amount: 10n, unit: 'second' as const }
  const schedule = { bufferSeconds: 12, everySeconds: 4, budget: MAX_AMOUNT }
  assert.is(nextTotal(rate, schedule, 0n, 0), 120n)
  assert.is(nextTotal(rate, schedule, 20n, 2_000), 120n)
  assert.is(nextTotal(rate, schedule, 120n, 12_000), 120n)
  assert.is(nextTotal(rate, { ...schedule, budget: 100n }, 90n, 0), 100n)
  assert.is(nextTotal(rate, { ...schedule, budget: 100n }, 100n, 0), 100n)
  assert.is(nextTotal({ amount: 1n, unit: 'hour' }, schedule, 0n, 0), 1n)
})

test('captions in a picture are told from the filling between them, and from what is none', () => {
  const dataOf = captions608(['HI'], 30)
  const userData = (...triples: Uint8Array[]) =>
    Uint8Array.from([0x40 | triples.length, 0xff, ...Buffer.concat(triples)])
  assert.ok(hasCaptions(userData(dataOf(0))))
  assert.not(hasCaptions(userData(dataOf(29))), 'filling: two empty characters with their parity')
  assert.ok(hasCaptions(userData(dataOf(29), dataOf(0))))
  const [flags = 0, a = 0, b = 0] = dataOf(0)
  assert.not(hasCaptions(userData(Uint8Array.of(flags & ~0b100, a, b))), 'marked as invalid')
  assert.not(hasCaptions(userData(Uint8Array.of(flags | 0b10, a, b))), 'CEA-708')
  assert.not(hasCaptions(Uint8Array.of(0x5f, 0xff)), 'cut short')
  assert.not(hasCaptions(new Uint8Array()))
})

test('a refusal ends playing for good; live media that is missing is waited for', () => {
  assert.equal(
    [200, 401, 402, 403, 404, 410, 429, 503].map(status => haltFor(status, false)),
    [undefined, 'unpaid', 'unpaid', 'withheld', 'gone', 'gone', 'too-many', undefined],
  )
  assert.equal(
    [401, 402, 403, 404, 429, undefined].map(status => haltFor(status, true)),
    ['unpaid', 'unpaid', undefined, undefined, 'too-many', undefined],
  )
})

test.run()
