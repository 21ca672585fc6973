import { createHash } from 'node:crypto'
import type { Event } from 'nostr-tools'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { httpAuth } from '../../plugins/http-auth.ts'
import { person } from '../harness.ts'

const me = person()
const now = 1_700_000_000
const request = { url: 'http://127.0.0.1:7777/api/v1/balance', method: 'GET', now }

const header = (event: Event): string => `Nostr ${btoa(JSON.stringify(event))}`
const signed = (tags: string[][], more: { kind?: number; created_at?: number } = {}): string =>
  header(me.sign({ kind: 27235, created_at: now, tags, ...more }))
const tags = (url = request.url, method = 'GET') => [
  ['u', url],
  ['method', method],
]

test('a signed request is its signer', () => {
  const auth = httpAuth(signed(tags()), request)
  assert.ok(auth.ok)
  assert.is(auth.ok && auth.pubkey, me.pubkey)
})

test('the URL is exact; only the names of this machine are the same', () => {
  assert.ok(httpAuth(signed(tags('http://localhost:7777/api/v1/balance')), request).ok)
  for (const url of [
    'http://127.0.0.1:7778/api/v1/balance',
    'https://127.0.0.1:7777/api/v1/balance',
    'http://127.0.0.1:7777/api/v1/balance?x=1',
    'http://localhost.example:7777/api/v1/balance',
    'balance',
  ])
    assert.not(httpAuth(signed(tags(url)), request).ok, url)
  const remote = { ...request, url: 'https://relay.example/api/v1/balance' }
  assert.not(httpAuth(signed(tags('https://localhost/api/v1/balance')), remote).ok)
})

test('another method, kind, time or signature is refused', () => {
  assert.not(httpAuth(signed(tags(request.url, 'POST')), request).ok)
  assert.not(httpAuth(signed(tags(), { kind: 22242 }), request).ok)
  assert.ok(httpAuth(signed(tags(), { created_at: now - 60 }), request).ok)
  assert.not(httpAuth(signed(tags(), { created_at: now - 61 }), request).ok)
  assert.not(httpAuth(signed(tags(), { created_at: now + 61 }), request).ok)
  const event = me.sign({ kind: 27235, created_at: now, tags: tags() })
  assert.not(httpAuth(header({ ...event, pubkey: person().pubkey }), request).ok)
  assert.not(httpAuth(header({ ...event, content: 'x' }), request).ok)
  for (const bad of [
    undefined,
    '',
    'Bearer x',
    'Nostr !',
    'Nostr e30=',
    `Nostr ${'A'.repeat(9000)}`,
  ])
    assert.not(httpAuth(bad, request).ok, bad)
})

test('a body is signed with it', () => {
  const body = '{"amount":"1"}'
  const hash = createHash('sha256').update(body).digest('hex')
  const post = { ...request, method: 'POST', body }
  const both = tags(request.url, 'POST')
  assert.ok(httpAuth(signed([...both, ['payload', hash]]), post).ok)
  assert.not(httpAuth(signed(both), post).ok)
  assert.not(httpAuth(signed([...both, ['payload', hash]]), { ...post, body: `${body} ` }).ok)
})

test.run()
