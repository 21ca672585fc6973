import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contentLimits } from '../../policies/content-limits.ts'
import { duplicateContent } from '../../policies/duplicate-content.ts'
import { hellthread } from '../../policies/hellthread.ts'
import proofOfWorkPlugin, { difficultyOf, proofOfWork } from '../../policies/proof-of-work.ts'
import rateLimitPlugin, { rateLimit } from '../../policies/rate-limit.ts'
import { tagLimits } from '../../policies/tag-limits.ts'
import { tokenBuckets } from '../../policies/token-bucket.ts'
import { person } from '../harness.ts'
import { unsigned } from '../relay/naive.ts'
import { from, note, read, write } from './ask.ts'

test('a bucket refills with time and never beyond its burst', () => {
  const { take } = tokenBuckets({ ratePerSecond: 1, burst: 2, maxKeys: 2 })
  assert.equal([take('a', 0), take('a', 0), take('a', 0)], [true, true, false])
  assert.equal([take('a', 1000), take('a', 1000)], [true, false])
  assert.equal([take('a', 99_000), take('a', 99_000), take('a', 99_000)], [true, true, false])
  assert.ok(take('b', 99_000))
  assert.not(take('c', 99_000), 'full of busy keys: strangers wait')
  assert.ok(take('c', 102_000), 'those that are full again make room')
})

test('no key gets more than burst plus rate times time, whatever the order, and memory is bounded', () =>
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), wait: fc.nat(3000) }), {
        maxLength: 200,
      }),
      fc.integer({ min: 1, max: 5 }),
      (steps, burst) => {
        const buckets = tokenBuckets({ ratePerSecond: 2, burst, maxKeys: 3 })
        const taken = new Map<string, number>()
        let now = 1000
        for (const { key, wait } of steps) {
          now += wait
          if (buckets.take(key, now)) taken.set(key, (taken.get(key) ?? 0) + 1)
          assert.ok((taken.get(key) ?? 0) <= burst + ((now - 1000) / 1000) * 2 + 1e-6)
          assert.ok(buckets.size() <= 3)
        }
      },
    ),
  ))

test('a clock that goes back gives nobody tokens', () => {
  const { take } = tokenBuckets({ ratePerSecond: 1, burst: 1, maxKeys: 2 })
  assert.ok(take('a', 10_000))
  assert.not(take('a', 0))
  assert.not(take('a', 10_500))
  assert.ok(take('a', 11_000))
})

test('buckets that could never give a token are misuse', () => {
  assert.throws(
    () => tokenBuckets({ ratePerSecond: 0, burst: 1, maxKeys: 1 }),
    /ratePerSecond above 0/,
  )
  assert.throws(() => tokenBuckets({ ratePerSecond: 1, burst: 0, maxKeys: 1 }), /burst/)
})

const once = { ratePerSecond: 1, burst: 1 }

test('rate-limit by address counts an IPv6 /64 as one and an IPv4 address as one', async () => {
  let now = 0
  const policy = rateLimit({ perIp: once, now: () => now })
  assert.is(await write(policy, note(), from('2001:db8::1')), 'accept')
  assert.is(
    await write(policy, note(), from('2001:db8::2')),
    'rate-limited: events from one address may come at 1 a second, wait a moment',
  )
  assert.is(await write(policy, note(), from('2001:db8:0:1::1')), 'accept')
  assert.is(await write(policy, note(), from('192.0.2.1')), 'accept')
  assert.match(await write(policy, note(), from('192.0.2.1')), /^rate-limited:/)
  assert.is(await write(policy, note(), from('192.0.2.2')), 'accept')
  now = 1000
  assert.is(await write(policy, note(), from('192.0.2.1')), 'accept')
})

test('rate-limit by author follows the author from address to address', async () => {
  const policy = rateLimit({ perPubkey: once, now: () => 0 })
  const author = person()
  assert.is(await write(policy, note('1', [], author), from('192.0.2.1')), 'accept')
  assert.match(
    await write(policy, note('2', [], author), from('192.0.2.2')),
    /^rate-limited: events of one author/,
  )
  assert.is(await write(policy, note('3'), from('192.0.2.2')), 'accept')
})

test('rate-limit by kind counts its kinds alone', async () => {
  const perKind = { slow: { kinds: [4, 1059], ratePerSecond: 0.1, burst: 1 } }
  const policy = rateLimit({ perKind, now: () => 0 })
  const author = person()
  assert.is(await write(policy, note('1', [], author, 4)), 'accept')
  assert.is(
    await write(policy, note('2', [], author, 1059)),
    'rate-limited: events of kind 1059 may come at one in 10 s, wait a moment',
  )
  assert.is(await write(policy, note('3', [], author, 1)), 'accept')
})

test('rate-limit slows down clients only; 0 is no limit; reads have their own', async () => {
  const policy = rateLimit({
    perIp: once,
    reads: once,
    perPubkey: { ratePerSecond: 0, burst: 1 },
    now: () => 0,
  })
  const sync = { ...from(), source: { type: 'Sync' as const, info: 'wss://other' } }
  const author = person()
  for (let i = 0; i < 5; i++)
    assert.is(await write(policy, note(`${i}`, [], author), sync), 'accept')
  assert.is(await write(policy, note('', [], author)), 'accept')
  assert.is(await read(policy, [{}]), 'accept')
  assert.match(await read(policy, [{}]), /^rate-limited: requests from one address/)
  assert.is(rateLimit({ perIp: once }).read, undefined)
})

test('by default payments and this machine are not slowed down, the same author elsewhere is', async () => {
  const defaults = rateLimitPlugin.options.parse({}) as Parameters<typeof rateLimit>[0]
  const policy = rateLimit({ ...defaults, now: () => 0 })
  const author = person()
  const [payment, text] = [note('', [], author, 5612), note('', [], author)]
  for (let i = 0; i < 1000; i++) {
    assert.is(await write(policy, payment, from('192.0.2.1')), 'accept')
    assert.is(await write(policy, text, from('127.0.0.1')), 'accept')
    assert.is(await write(policy, text, from('::1')), 'accept')
  }
  for (let i = 0; i < 200; i++) assert.is(await write(policy, text, from('192.0.2.1')), 'accept')
  assert.match(await write(policy, text, from('192.0.2.1')), /^rate-limited: events of one author/)
  assert.is(await write(policy, payment, from('192.0.2.1')), 'accept')
})

test('a hellthread has one person too many; the same person twice is one', async () => {
  const people = Array.from({ length: 6 }, (_, i) => ['p', i.toString(16).repeat(64).slice(0, 64)])
  const policy = hellthread({ maxMentions: 5 })
  assert.match(
    await write(policy, note('hi', people)),
    /^blocked: this mentions 6 people, at most 5/,
  )
  assert.is(await write(policy, note('hi', people.slice(0, 5))), 'accept')
  assert.is(
    await write(policy, note('hi', [...people.slice(0, 5), ...people.slice(0, 5)])),
    'accept',
  )
  assert.is(await write(policy, note('', people, person(), 3)), 'accept', 'a follow list')
})

test('tag limits: one too many of each', async () => {
  const policy = tagLimits({ maxTags: 6, maxHashtags: 2, maxReferences: 2 })
  const tags = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => [name, `${i}`])
  assert.match(await write(policy, note('', tags('x', 7))), /^blocked: this has 7 tags, at most 6/)
  assert.is(await write(policy, note('', tags('x', 6))), 'accept')
  assert.match(
    await write(policy, note('', tags('t', 3))),
    /^blocked: this has 3 hashtags, at most 2/,
  )
  assert.is(await write(policy, note('', tags('t', 2))), 'accept')
  assert.match(await write(policy, note('', tags('r', 3))), /^blocked: this has 3 links in tags/)
  assert.is(await write(policy, note('', tags('r', 2))), 'accept')
})

test('content limits: length and links, one too many of each', async () => {
  const policy = contentLimits({ maxLength: 40, maxLinks: 1 })
  assert.match(
    await write(policy, note('x'.repeat(41))),
    /^blocked: this text has 41 characters, at most 40/,
  )
  assert.is(await write(policy, note('x'.repeat(40))), 'accept')
  assert.match(
    await write(policy, note('http://a.b HTTPS://c.d')),
    /^blocked: this text has 2 links, at most 1/,
  )
  assert.is(await write(policy, note('https://a.b wss://c.d')), 'accept')
})

test('unwanted words are whole words in any dress, and * opens an end', async () => {
  const policy = contentLimits({ words: ['free money', 'airdrop*', '*coin', '*免费*', 'c++'] })
  const refused = [
    'Get FREE  Money!',
    'free\nmoney',
    'airdrops',
    'ＡＩＲＤＲＯＰ',
    'shitcoin now',
    '今天免费送',
    'c++',
  ]
  for (const text of refused)
    assert.match(await write(policy, note(text)), /^blocked: this relay takes no text with "/, text)
  const fine = ['carefree money', 'free moneybag', 'myairdrop', 'coins', 'c+', 'money free', '']
  for (const text of fine) assert.is(await write(policy, note(text)), 'accept', text)
  assert.throws(() => contentLimits({ words: ['*'] }), /"\*" is no word/)
})

test('the same text from one author is said once in a window, whatever its dress', async () => {
  let now = 0
  const policy = duplicateContent({ windowSeconds: 60, minLength: 10, now: () => now })
  const [author, other] = [person(), person()]
  const first = note('Look at my page, friends!', [], author)
  assert.is(await write(policy, first), 'accept')
  assert.is(await write(policy, first), 'accept', 'the same event is no repetition')
  assert.match(
    await write(policy, note('look at MY page... friends', [['x']], author)),
    /^blocked: the same text/,
  )
  assert.is(await write(policy, note('Look at my page, friends!', [], other)), 'accept')
  assert.is(await write(policy, note('Look at my page, enemies!', [], author)), 'accept')
  assert.is(await write(policy, note('gm', [], author)), 'accept')
  assert.is(await write(policy, note('gm', [['x']], author)), 'accept', 'short texts are free')
  now = 61_000
  assert.is(await write(policy, note('Look at my page, friends!', [['y']], author)), 'accept')
})

test('anyone: a text is said once by all together; memory is bounded', async () => {
  const policy = duplicateContent({ scope: 'anyone', minLength: 5, maxRemembered: 2, now: () => 0 })
  assert.is(await write(policy, note('hello world')), 'accept')
  assert.match(await write(policy, note('hello world')), /^blocked:/)
  assert.is(await write(policy, note('second text')), 'accept')
  assert.is(await write(policy, note('third text')), 'accept')
  assert.is(await write(policy, note('hello world')), 'accept', 'the oldest was forgotten')
  assert.match(await write(policy, note('third text')), /^blocked:/)
  for (let i = 0; i < 2; i++)
    assert.is(await write(policy, note('- - - - -', [[`${i}`]])), 'accept', 'no letters in it')
  const thai = 'สวัสดีชาวโลกทุกคน'
  assert.is(await write(policy, note(thai)), 'accept')
  assert.match(await write(policy, note(`${thai}!`)), /^blocked:/)
})

test('proof of work may differ by kind', async () => {
  const options = proofOfWorkPlugin.options.parse({
    minDifficulty: 0,
    perKind: ['1:4'],
  }) as Parameters<typeof proofOfWork>[0]
  const policy = proofOfWork(options)
  const [mined, lazy] = [8, 0].map(bits => {
    for (;;) {
      const event = unsigned({ kind: 1 })
      if (bits ? difficultyOf(event.id) >= bits : difficultyOf(event.id) < 4) return event
    }
  })
  if (!mined || !lazy) throw new Error('unreachable')
  assert.is(await write(policy, mined), 'accept')
  assert.match(await write(policy, lazy), /^pow: difficulty \d is less than 4/)
  assert.is(await write(policy, { ...lazy, kind: 7 }), 'accept')
  assert.not(proofOfWorkPlugin.options.safeParse({ perKind: ['x:4'] }).success)
})

test.run()
