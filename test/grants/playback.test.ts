import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { audience } from '../../plugins/playback/audience.ts'
import { isMediaPath, isPublicId } from '../../plugins/playback/path.ts'
import { networkOf } from '../../policies/source.ts'

test('an IPv6 customer is one network, an IPv4 address is one', () => {
  assert.is(networkOf('192.0.2.7'), '192.0.2.7')
  for (const ip of ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::1', '2001:db8::a:b:c:d'])
    assert.is(networkOf(ip), '2001:db8:0:0', ip)
  assert.is(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2')
  assert.is(networkOf('::1'), '0:0:0:0')
  assert.is.not(networkOf('2001:db8:1::1'), networkOf('2001:db8:2::1'))
})

test('only a rendition and a file of a known type are media', () => {
  for (const path of ['master.m3u8', 'source/index.m3u8', '480p/12.m4s', 'source/init-3.mp4'])
    assert.ok(isMediaPath(path), path)
  for (const path of [
    '',
    '../x.m4s',
    'a/../b.m4s',
    'a/b/c.m4s',
    'x.key',
    '.m4s',
    'a%2eb.m4s',
    'a\\b.m4s',
    'a.b.m4s',
  ])
    assert.not(isMediaPath(path), path)
  assert.ok(isPublicId('0123456789abcdef0123456789abcdef'))
  assert.not(isPublicId('0123456789ABCDEF0123456789abcdef'))
})

test('a session plays on so many addresses, and a place is free again half a minute after the last request', () => {
  const viewers = audience(2)
  assert.ok(viewers.admit('s', 'a', 0))
  assert.ok(viewers.admit('s', 'b', 0))
  assert.not(viewers.admit('s', 'c', 1000))
  assert.ok(viewers.admit('s', 'a', 20_000))
  assert.ok(viewers.admit('other', 'c', 1000))
  assert.ok(viewers.admit('s', 'c', 31_000), 'b is gone')
  assert.is(viewers.count(31_000), 3)
  assert.is(viewers.count(90_000), 0)
})

test.run()
