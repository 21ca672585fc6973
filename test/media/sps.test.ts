import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { heightOf } from '../../plugins/live-stream/local/sps.ts'

/** A decoder configuration around a sequence parameter set in hex. */
const avcC = (sps: string): Uint8Array => {
  const bytes = Buffer.from(sps, 'hex')
  const head = Buffer.from([
    1,
    bytes[1] ?? 0,
    bytes[2] ?? 0,
    bytes[3] ?? 0,
    0xff,
    0xe1,
    0,
    bytes.length,
  ])
  return Buffer.concat([head, bytes])
}

test('the height is read from what encoders send', () => {
  // x264: baseline 320x180, main 640x360, high 1280x720, high 1920x1080 (cropped from 1088), high interlaced 720x576, 4:4:4 640x480.
  for (const [sps, height] of [
    ['6742c00cd901419f9f011000000300100000030320f142a480', 180],
    ['674d401eeca05017fcb808800000030080000019078b16cb', 360],
    ['6764001facd9405005bb011000000300100000030320f1831960', 720],
    ['67640028acd940780227e5c044000003000400000300c83c60c658', 1080],
    ['6764001eacd940b424d8088000000300800000190f8a14cb', 576],
    ['67f4001e919b281407b60220000003002000000641e2c5b2c0', 480],
  ] as const)
    assert.is(heightOf(avcC(sps)), height, sps)
})

test('what is cut short or no parameter set has no height, and nothing throws', () => {
  const whole = avcC('6742c00cd901419f9f011000000300100000030320f142a480')
  for (let length = 0; length < whole.length; length++)
    assert.is(heightOf(whole.subarray(0, length)), undefined, `${length} bytes`)
  for (let i = 0; i < 2000; i++) {
    const noise = Uint8Array.from({ length: 64 }, (_, j) => (i * 7919 + j * 104_729) % 251)
    noise.set([1, 100, 0, 31, 255, 225, 0, 48])
    const height = heightOf(noise)
    assert.ok(height === undefined || Number.isInteger(height))
  }
})

test.run()
