import assert from 'node:assert/strict'
import { check, httpUrl, now, type RelayInfo, type Suite } from './check.ts'
import { person } from './client.ts'

const limit = (info: RelayInfo, name: string): number | undefined => {
  const value = info.limitation?.[name]
  return typeof value === 'number' ? value : undefined
}
const without = (name: string) => (relay: { info: RelayInfo }) =>
  limit(relay.info, name) === undefined ? `NIP-11 names no ${name}` : undefined

/** The information document, and that it tells the truth. Source: NIP-11. */
export const nip11: Suite = {
  name: 'nip11',
  nips: [11],
  checks: [
    check('the document comes with its Accept header, on the same URI', async relay => {
      const response = await fetch(httpUrl(relay.url), {
        headers: { accept: 'application/nostr+json' },
      })
      assert.equal(response.status, 200)
      assert.match(response.headers.get('content-type') ?? '', /application\/(nostr\+)?json/)
      const info = (await response.json()) as RelayInfo
      assert.ok(info.supported_nips?.every(nip => Number.isInteger(nip)))
      for (const key of [info.self, info.pubkey])
        assert.match(key ?? 'f'.repeat(64), /^[0-9a-f]{64}$/)
      if (info.software !== undefined) assert.ok(URL.canParse(info.software), 'software is a URL')
      for (const value of Object.values(info.limitation ?? {}))
        assert.ok(['number', 'boolean'].includes(typeof value))
    }),

    check('CORS is answered, also before the request', async relay => {
      const response = await fetch(httpUrl(relay.url), {
        headers: { accept: 'application/nostr+json' },
      })
      const preflight = await fetch(httpUrl(relay.url), {
        method: 'OPTIONS',
        headers: { origin: 'https://client.example', 'access-control-request-method': 'GET' },
      })
      assert.ok(preflight.ok, `OPTIONS gave ${preflight.status}`)
      for (const name of ['origin', 'headers', 'methods'])
        assert.ok(
          response.headers.get(`access-control-allow-${name}`),
          `no Access-Control-Allow-${name} header`,
        )
      assert.ok(preflight.headers.get('access-control-allow-origin'))
    }),

    check('what was removed from the document is not in it', async relay => {
      for (const name of ['retention', 'privacy_policy', 'supported_nips_at'])
        assert.ok(!(name in relay.info), name)
    }),

    check(
      'max_subscriptions holds, and a replaced one is not one more',
      async relay => {
        const client = await relay.connect()
        const most = limit(relay.info, 'max_subscriptions') ?? 0
        for (let i = 0; i < most; i++) client.send('REQ', `s${i}`, { kinds: [1], limit: 0 })
        client.send('REQ', 's0', { kinds: [7], limit: 0 })
        client.send('REQ', 'more', { kinds: [1], limit: 0 })
        const refused = await client.next(message => message[0] === 'CLOSED', 'CLOSED', 15_000)
        assert.equal(refused[1], 'more')
      },
      without('max_subscriptions'),
    ),

    check(
      'max_limit holds',
      async relay => {
        const client = await relay.connect()
        const most = limit(relay.info, 'max_limit') ?? 0
        const { events } = await client.query('l', { kinds: [1], limit: most + 1 })
        assert.ok(events.length <= most)
      },
      without('max_limit'),
    ),

    check(
      'max_event_tags holds',
      async relay => {
        const client = await relay.connect()
        const most = limit(relay.info, 'max_event_tags') ?? 0
        const tags = Array.from({ length: most + 1 }, () => ['x'])
        assert.equal(await client.refused(person().sign({ kind: 1, tags })), 'invalid')
      },
      without('max_event_tags'),
    ),

    check(
      'a message over max_message_length ends in a refusal or in close 1009',
      async relay => {
        const client = await relay.connect()
        const most = limit(relay.info, 'max_message_length') ?? 0
        client.send('EVENT', person().sign({ kind: 1, content: 'x'.repeat(most) }))
        const code = await Promise.race([
          client.closed,
          client.next(message => ['OK', 'NOTICE'].includes(message[0]), 'refusal').catch(() => 0),
        ])
        if (typeof code === 'number') assert.equal(code, 1009)
        else assert.notEqual(code[2], true)
        const other = await relay.connect()
        await other.alive()
      },
      without('max_message_length'),
    ),

    check(
      'created_at_lower_limit and created_at_upper_limit hold',
      async relay => {
        const client = await relay.connect()
        const [lower, upper] = ['created_at_lower_limit', 'created_at_upper_limit'].map(
          name => limit(relay.info, name) ?? Number.NaN,
        )
        const times = [now() - Number(lower) - 60, now() + Number(upper) + 60]
        for (const created_at of times.filter(time => time >= 0))
          assert.equal(await client.refused(person().sign({ kind: 1, created_at })), 'invalid')
      },
      without('created_at_upper_limit'),
    ),
  ],
}
