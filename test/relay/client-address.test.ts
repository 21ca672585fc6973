import type { IncomingMessage } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isAmong, networkOf } from '../../policies/source.ts'
import { clientAddress } from '../../relay/client-address.ts'
import { loadConfig } from '../../relay/config/config.ts'

const PROXY = '10.0.0.1'

/** What is taken for the client's address where the proxy's socket says PROXY. */
function seen(forwarded: string | undefined, hops = 1, header = 'X-Forwarded-For'): string {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  const request = { headers, socket: { remoteAddress: PROXY } } as unknown as IncomingMessage
  return clientAddress({ header, hops })(request)
}

test('what the client itself wrote into X-Forwarded-For is not believed', () => {
  assert.is(seen('192.0.2.7'), '192.0.2.7')
  assert.is(seen('127.0.0.1, 192.0.2.7'), '192.0.2.7')
  assert.is(seen('127.0.0.1,::1 , 192.0.2.7'), '192.0.2.7')
  assert.is(
    seen('203.0.113.9, 192.0.2.7', 1, ''),
    PROXY,
    'no header is believed unless it is named',
  )
})

test('trusted hops are counted from the right', () => {
  assert.is(seen('192.0.2.7, 198.51.100.1', 2), '192.0.2.7')
  assert.is(seen('127.0.0.1, 192.0.2.7, 198.51.100.1', 2), '192.0.2.7')
  assert.is(seen('127.0.0.1, 192.0.2.7, 198.51.100.1', 3), '127.0.0.1')
})

test('fewer entries than hops: who came past a proxy is what its socket says', () => {
  assert.is(seen('127.0.0.1', 2), PROXY)
  assert.is(seen('', 1), PROXY)
  assert.is(seen(undefined), PROXY)
})

test('only an address counts; ports, brackets and clothes come off', () => {
  const same: [string, string][] = [
    ['192.0.2.7:443', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['[2001:DB8:0::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['"[2001:db8::1]:80"', '2001:db8::1'],
    ['2001:0db8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
  ]
  for (const [written, ip] of same) assert.is(seen(written), ip)
  const none = [
    'unknown',
    '_hidden',
    '192.0.2',
    '192.0.2.256',
    '[192.0.2.7',
    '1.2.3.4:5:6',
    "'; --",
  ]
  for (const written of none) assert.is(seen(written), PROXY, written)
  assert.is(seen(`${'1,'.repeat(5000)}192.0.2.7`), '192.0.2.7')
})

test('one customer is one network, however the address is written', () => {
  assert.is(networkOf(seen('2001:db8::1')), networkOf(seen('[2001:0DB8:0:0:ffff::2]:99')))
  assert.is.not(networkOf(seen('2001:db8::1')), networkOf(seen('2001:db8:0:1::1')))
})

test('an exempt list has addresses and networks, and nothing else', () => {
  const free = isAmong(['127.0.0.1', '10.0.0.0/8', '2001:db8::/32'])
  for (const ip of ['127.0.0.1', '10.9.8.7', '2001:db8:1::1']) assert.ok(free(ip), ip)
  for (const ip of ['127.0.0.2', '11.0.0.1', '2001:db9::1', '', 'x']) assert.not(free(ip), ip)
  for (const bad of ['10.0.0.0/33', 'localhost', '10.0.0/8', '::/129', '10.0.0.0/', '']) {
    const load = () =>
      loadConfig({ set: [`relay.rateLimit.exempt=["${bad}"]`], env: {}, file: '/dev/null' })
    assert.throws(load, /relay.rateLimit.exempt.0: needs addresses or networks/, bad)
  }
})

test.run()
