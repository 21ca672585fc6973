import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Box, BoxReader, children } from '../../plugins/live-stream/local/packager/boxes.ts'
import { mediaFile } from '../../plugins/live-stream/local/packager/files.ts'
import { Rendition } from '../../plugins/live-stream/local/packager/rendition.ts'

const TIMESCALE = 1000
const u32 = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}
const box = (type: string, ...body: Buffer[]) => {
  const bytes = Buffer.concat(body)
  return Buffer.concat([u32(8 + bytes.length), Buffer.from(type, 'latin1'), bytes])
}

/** An init of one H.264 track, as much of it as a packager reads. */
function init(): Buffer {
  const avcC = box('avcC', Buffer.from('014d401e', 'hex'))
  const size = Buffer.alloc(78)
  size.writeUInt16BE(640, 24)
  size.writeUInt16BE(360, 26)
  const stsd = box('stsd', u32(0, 1), box('avc1', size, avcC))
  const mdia = box('mdia', box('mdhd', u32(0, 0, 0, TIMESCALE)), box('minf', box('stbl', stsd)))
  return Buffer.concat([
    box('ftyp', Buffer.from('iso5')),
    box('moov', box('trak', box('tkhd', u32(0, 0, 0, 1)), mdia)),
  ])
}

/** A fragment of `samples` pictures, `ms` each, that begins at `start`. */
function fragment(start: number, samples: number, ms: number): Buffer {
  const traf = box(
    'traf',
    box('tfhd', u32(0x020008, 1, ms)),
    box('tfdt', u32(0, start)),
    box('trun', u32(0, samples)),
  )
  return Buffer.concat([box('moof', traf), box('mdat', Buffer.alloc(1000, 7))])
}

const rendition = (windowSeconds = 60) =>
  new Rendition({ targetSeconds: 2, windowSeconds, maxBytes: () => 1 << 20, onSegment() {} })
const playlist = (one: Rendition, ended = false) => {
  const file = mediaFile(new Map([['source', one]]), 'source/index.m3u8', ended)
  return file?.type === 'playlist' ? file.text : ''
}
const NOW = Date.UTC(2026, 0, 1)

test('boxes cut anywhere come out whole; one of an impossible length is refused', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 40 }),
      (bodies, cut) => {
        const bytes = Buffer.concat(bodies.map(body => box('abcd', Buffer.from(body))))
        const reader = new BoxReader()
        const seen: Box[] = []
        for (let at = 0; at < bytes.length; at += cut)
          seen.push(...reader.push(bytes.subarray(at, at + cut)))
        assert.equal(Buffer.concat(seen.map(one => one.bytes)), bytes)
        assert.is(seen.length, bodies.length)
      },
    ),
  )
  assert.throws(() => new BoxReader().push(u32(7, 0)), /a box of 7 bytes/)
  assert.throws(() => new BoxReader().push(u32(0xffffffff, 0)), /a box of 4294967295 bytes/)
  assert.equal(children(Buffer.concat([u32(100), Buffer.from('trak')])), [])
})

test('no bytes at all make a packager do more than throw', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { maxLength: 30 }), fc.uint8Array(), (places, noise) => {
      const bytes = Buffer.concat([init(), fragment(0, 60, 33)])
      for (const [i, place] of places.entries()) bytes[place % bytes.length] = noise[i] ?? 0
      const one = rendition()
      one.begin(NOW)
      try {
        one.push(bytes, NOW)
      } catch (error) {
        assert.instance(error, Error)
      }
    }),
  )
})

test('fragments become segments of the target length, with wall times that follow the media', () => {
  const one = rendition()
  one.begin(NOW)
  one.push(init(), NOW)
  for (let i = 0; i < 4; i++) one.push(fragment(i * 1000, 40, 25), NOW + (i + 1) * 1000 + i)
  assert.equal(
    one.segments.map(({ seconds, startMs, endMs }) => [seconds, startMs - NOW, endMs - NOW]),
    [
      [2, 1, 2001],
      [2, 2001, 4001],
    ],
  )
  assert.is(one.frameRate, 40)
  const text = playlist(one)
  const first = one.segments[0]?.sequence
  assert.match(text, `#EXT-X-MEDIA-SEQUENCE:${first}\n`)
  assert.match(
    text,
    `#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.001Z\n#EXTINF:2.000,\n${first}.m4s`,
  )
  assert.not.match(text, 'ENDLIST')
  assert.match(playlist(one, true), /#EXT-X-ENDLIST\n$/)
})

test('the window moves; a break that left it is counted, its init goes with it', () => {
  const one = rendition(10)
  let now = NOW
  for (let run = 0; run < 2; run++) {
    one.begin(now)
    one.push(init(), now)
    for (let i = 0; i < 3; i++) {
      now += 2000
      one.push(fragment(i * 2000, 60, 33), now)
    }
    one.push(fragment(6000, 10, 33), now)
    one.finish(now)
  }
  const before = playlist(one)
  assert.match(before, /DISCONTINUITY-SEQUENCE:0\n/)
  assert.is(before.split('#EXT-X-DISCONTINUITY\n').length, 2)
  assert.is(one.inits.size, 2)
  for (let i = 4; i < 8; i++) {
    now += 2000
    one.push(fragment(i * 2000, 60, 33), now)
  }
  const after = playlist(one)
  assert.match(after, /DISCONTINUITY-SEQUENCE:1\n/)
  assert.not.match(after, '#EXT-X-DISCONTINUITY\n')
  assert.is(one.inits.size, 1)
  const numbers = one.segments.map(segment => segment.sequence)
  assert.equal(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
  )
})

test('paths that name nothing give nothing', () => {
  const one = rendition()
  one.begin(NOW)
  one.push(Buffer.concat([init(), fragment(0, 80, 25)]), NOW)
  const all = new Map([['source', one]])
  const { sequence = 0, run = 0 } = one.segments[0] ?? {}
  assert.ok(mediaFile(all, `source/${sequence}.m4s`, false))
  assert.ok(mediaFile(all, `source/init-${run}.mp4`, false))
  for (const path of [
    '',
    'index.m3u8',
    'source/',
    `source/${sequence + 1}.m4s`,
    `source/init-${run + 1}.mp4`,
    `source/../source/${sequence}.m4s`,
    `source/%2e%2e/${sequence}.m4s`,
    `other/${sequence}.m4s`,
    '__proto__/index.m3u8',
    `source/${sequence}.m4s\0`,
  ])
    assert.is(mediaFile(all, path, false), undefined, path)
})

test.run()
