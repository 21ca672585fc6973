/** Every key of strfry.conf that strfry has is honoured with strfry's meaning, or named as one that says nothing here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { loadConfig } from '../../relay/config/config.ts'
import { person } from '../harness.ts'
import { closeAll, closeLater, open, relayWith, says, until } from '../reload/fixtures.ts'

type Relay = Awaited<ReturnType<Awaited<ReturnType<typeof relayWith>>['start']>>
type Client = Awaited<ReturnType<typeof open>>

interface Stage {
  relay: Relay
  client: Client
  info(): Promise<Record<string, unknown>>
}

const who = person()
const now = () => Math.floor(Date.now() / 1000)
/** What an event, or a REQ, is answered with. */
const said = async (client: Client, event: ReturnType<typeof says>) =>
  (await client.publish(event))[1]
const asked = (client: Client, ...filters: object[]) =>
  client.req('q', ...filters).then(
    events => `${events.length} events`,
    error => error.message,
  )
async function counted(client: Client): Promise<unknown[]> {
  client.send(['COUNT', 'n', {}])
  return client.next(m => (m[0] === 'COUNT' || m[0] === 'CLOSED') && m[1] === 'n')
}
const logged = (relay: Relay, text: string) => relay.saying(text).length

/** A text for NIP-11, by the field that it stands in. */
const shown = (key: string, field = key): Row => [
  `relay.info.${key}`,
  '"https://example.com/x"',
  async ({ info }) => assert.is((await info())[field], 'https://example.com/x'),
]

/** Key, a value for it, and what shows that it is honoured; `fixed` needs a restart, `ignored` says nothing here. */
type Row = [
  key: string,
  value: string,
  shows: 'ignored' | 'fixed' | ((stage: Stage) => Promise<unknown>),
]
const rows: Row[] = [
  ['db', '"./x/"', 'fixed'],
  ['dbParams.maxreaders', '256', 'ignored'],
  ['dbParams.mapsize', '10995116277760', 'ignored'],
  ['dbParams.noReadAhead', 'false', 'ignored'],
  [
    'events.maxEventSize',
    '400',
    async ({ client }) =>
      assert.match(await said(client, says(who, 'x'.repeat(400))), /at most 400 bytes/),
  ],
  [
    'events.rejectEventsNewerThanSeconds',
    '5',
    async ({ client }) =>
      assert.match(
        await said(client, who.sign({ kind: 1, created_at: now() + 60 })),
        /in the future/,
      ),
  ],
  [
    'events.rejectEventsOlderThanSeconds',
    '5',
    async ({ client }) =>
      assert.match(
        await said(client, who.sign({ kind: 1, created_at: now() - 60 })),
        /too long ago/,
      ),
  ],
  [
    'events.rejectEphemeralEventsOlderThanSeconds',
    '5',
    async ({ client }) =>
      assert.match(
        await said(client, who.sign({ kind: 20_000, created_at: now() - 30 })),
        /too long ago/,
      ),
  ],
  ['events.ephemeralEventsLifetimeSeconds', '300', 'ignored'],
  [
    'events.maxNumTags',
    '1',
    async ({ client }) =>
      assert.match(
        await said(client, who.sign({ kind: 1, tags: [['a'], ['b']] })),
        /at most 1 tags/,
      ),
  ],
  [
    'events.maxTagValSize',
    '5',
    async ({ client }) =>
      assert.match(
        await said(client, who.sign({ kind: 1, tags: [['t', 'sixsix']] })),
        /at most 5 bytes/,
      ),
  ],
  ['relay.bind', '"127.0.0.2"', 'fixed'],
  ['relay.port', '1', 'fixed'],
  ['relay.nofiles', '524288', 'ignored'],
  [
    'relay.realIpHeader',
    '"x-real-ip"',
    async ({ relay }) => {
      const ws = new WebSocket(relay.url, { headers: { 'x-real-ip': '192.0.2.77' } })
      closeLater(() => ws.terminate())
      await new Promise(resolve => ws.once('open', resolve))
      await relay.reload('relay.realIpHeader="x-real-ip"', 'relay.logging.dumpInAll=true')
      ws.send('["CLOSE","x"]')
      const client = await open(relay.url)
      await client.req('after', { limit: 0 })
      await until('the message', () =>
        relay.saying('a message').some(({ ip }) => ip === '192.0.2.77'),
      )
    },
  ],
  [
    'relay.auth.enabled',
    'false',
    async ({ relay, info }) => {
      const client = await open(relay.url)
      await client.req('x', { kinds: [1] })
      assert.not(client.inbox.some(m => m[0] === 'AUTH'))
      const auth = who.sign({ kind: 22_242, tags: [['relay', relay.url]] })
      client.send(['AUTH', auth])
      assert.match(String((await client.next(m => m[0] === 'OK'))[3]), /does not authenticate/)
      assert.not(((await info()).supported_nips as number[]).includes(42))
    },
  ],
  [
    'relay.auth.serviceUrl',
    '"wss://live.example.com"',
    async ({ relay }) => assert.is(relay.relay.urls.ws, 'wss://live.example.com'),
  ],
  [
    'relay.auth.restrictedReadKinds',
    '"7"',
    async ({ client }) => assert.match(await asked(client, { kinds: [7] }), /^auth-required:/),
  ],
  [
    'relay.auth.restrictReadToInvolvedPubkey',
    'false',
    async ({ relay, client }) => {
      await relay.reload(
        'relay.auth.restrictReadToInvolvedPubkey=false',
        'relay.auth.restrictedReadKinds="7"',
      )
      const author = person()
      await client.publish(says(author, 'of somebody else', 7))
      const authors = [author.pubkey]
      const other = await open(relay.url)
      assert.match(await asked(other, { kinds: [7], authors }), /^auth-required:/)
      assert.is(await asked(other, { authors }), '0 events')
      await other.auth(person())
      assert.is(await asked(other, { kinds: [7], authors }), '1 events')
      assert.match(await asked(other, { kinds: [4], authors: [who.pubkey] }), /^restricted:/)
    },
  ],
  shown('name'),
  shown('description'),
  [
    'relay.info.pubkey',
    `"${who.pubkey}"`,
    async ({ info }) => assert.is((await info()).pubkey, who.pubkey),
  ],
  ['relay.info.self', '""', 'ignored'],
  shown('contact'),
  shown('icon'),
  shown('banner'),
  shown('privacy', 'privacy_policy'),
  shown('terms', 'terms_of_service'),
  [
    'relay.info.nips',
    '"[1, 11]"',
    async ({ info }) => assert.equal((await info()).supported_nips, [1, 11]),
  ],
  [
    'relay.maxWebsocketPayloadSize',
    '500',
    async ({ relay }) => {
      const client = await open(relay.url)
      let code = 0
      client.ws.once('close', closed => {
        code = closed
      })
      client.send(['EVENT', says(who, 'x'.repeat(500))])
      await until('it is closed for what is too large', () => code === 1009)
    },
  ],
  [
    'relay.maxReqFilterSize',
    '1',
    async ({ client }) => assert.match(await asked(client, {}, {}), /at most 1 filters/),
  ],
  [
    'relay.autoPingSeconds',
    '1',
    async ({ relay }) => {
      const client = await open(relay.url)
      let pinged = false
      client.ws.once('ping', () => {
        pinged = true
      })
      await until('a ping', () => pinged)
    },
  ],
  [
    'relay.enableTcpKeepalive',
    'true',
    // What the kernel does then cannot be seen from here; that the connection works can.
    async ({ relay }) => assert.match(await asked(await open(relay.url), {}), /events$/),
  ],
  ['relay.queryTimesliceBudgetMicroseconds', '10000', 'ignored'],
  [
    'relay.maxFilterLimit',
    '1',
    async ({ client }) => {
      for (const content of ['a', 'b']) await client.publish(says(who, content))
      assert.is(await asked(client, { limit: 5 }), '1 events')
    },
  ],
  [
    'relay.maxTagsPerFilter',
    '1',
    async ({ client }) =>
      assert.match(await asked(client, { '#e': ['x'], '#p': ['y'] }), /at most 1 tag conditions/),
  ],
  [
    'relay.maxFilterLimitCount',
    '0',
    async ({ client }) => assert.equal((await counted(client)).slice(0, 2), ['CLOSED', 'n']),
  ],
  [
    'relay.maxSubsPerConnection',
    '1',
    async ({ client }) => {
      await client.req('first', {})
      assert.match(await asked(client, {}), /at most 1 subscriptions/)
    },
  ],
  [
    'relay.maxPendingOutboundBytes',
    '1000',
    async ({ client }) => {
      for (const content of ['a', 'b', 'c', 'd']) await client.publish(says(who, content))
      client.send(['REQ', 'much', {}])
      await until('it is cut', () => client.ws.readyState === client.ws.CLOSED)
    },
  ],
  [
    'relay.writePolicy.plugin',
    '"exec /bin/cat"',
    // It answers with what it is asked, which is no reply: a fault, and the event is refused.
    async ({ client }) => assert.match(await said(client, says(who)), /^error: internal error/),
  ],
  [
    'relay.writePolicy.timeoutSeconds',
    '1',
    async ({ relay, client }) => {
      await relay.reload(
        'relay.writePolicy.plugin="sleep 60"',
        'relay.writePolicy.timeoutSeconds=0.2',
      )
      assert.match(await said(client, says(who)), /^error: internal error/)
    },
  ],
  [
    'relay.compression.enabled',
    'true',
    async ({ relay }) => {
      const client = await open(relay.url)
      assert.is(client.ws.extensions, 'permessage-deflate')
      const text = 'the same words again and again '.repeat(300)
      const author = person()
      const filter = { authors: [author.pubkey] }
      for (const kind of [1, 7]) await client.publish(says(author, text, kind))
      const received = () =>
        (client.ws as unknown as { _socket: { bytesRead: number } })._socket.bytesRead
      const before = received()
      const events = await client.req('long', filter)
      assert.equal(
        events.map(({ content }) => content),
        [text, text],
      )
      assert.ok(
        received() - before < text.length / 4,
        `${received() - before} bytes for ${text.length * 2}`,
      )
    },
  ],
  [
    'relay.compression.slidingWindow',
    'false',
    async ({ relay }) => {
      await relay.reload('relay.compression.enabled=true', 'relay.compression.slidingWindow=false')
      assert.match((await open(relay.url)).ws.extensions, /permessage-deflate/)
      const answer = await new Promise<string>(resolve => {
        const ws = new WebSocket(relay.url)
        closeLater(() => ws.terminate())
        ws.once('upgrade', response =>
          resolve(String(response.headers['sec-websocket-extensions'])),
        )
      })
      assert.match(answer, /server_no_context_takeover/)
    },
  ],
  [
    'relay.logging.dumpInAll',
    'true',
    async ({ relay, client }) => {
      await client.publish(says(who, 'not in the log'))
      await client.req('x', {})
      assert.equal(
        relay.saying('a message').map(({ type }) => type),
        ['EVENT', 'REQ'],
      )
      assert.not.match(JSON.stringify(relay.lines), /not in the log/)
    },
  ],
  [
    'relay.logging.dumpInEvents',
    'true',
    async ({ relay, client }) => {
      await client.req('x', {})
      await client.publish(says(who))
      assert.equal(
        relay.saying('a message').map(({ type }) => type),
        ['EVENT'],
      )
    },
  ],
  [
    'relay.logging.dumpInReqs',
    'true',
    async ({ relay, client }) => {
      await client.publish(says(who))
      await client.req('x', { kinds: [3] })
      assert.equal(relay.saying('a message')[0]?.filters, [{ kinds: [3] }])
    },
  ],
  [
    'relay.logging.dbScanPerf',
    'true',
    async ({ relay, client }) => {
      await client.req('x', {})
      assert.is(logged(relay, 'a query'), 1)
    },
  ],
  [
    'relay.logging.invalidEvents',
    'true',
    async ({ relay, client }) => {
      await client.publish(who.sign({ kind: 1, created_at: 1 }))
      assert.match(String(relay.saying('an event was refused')[0]?.msg), /^invalid: created_at/)
    },
  ],
  ['relay.numThreads.ingester', '3', 'ignored'],
  ['relay.numThreads.reqWorker', '3', 'ignored'],
  ['relay.numThreads.reqMonitor', '3', 'ignored'],
  ['relay.numThreads.negentropy', '2', 'ignored'],
  [
    'relay.negentropy.enabled',
    'false',
    async ({ client }) => {
      client.send(['NEG-OPEN', 'n', {}, '6100000200'])
      assert.match(String((await client.next(m => m[0] === 'NEG-ERR'))[2]), /does not reconcile/)
    },
  ],
  [
    'relay.negentropy.maxSyncEvents',
    '1',
    async ({ client }) => {
      for (const content of ['a', 'b']) await client.publish(says(who, content))
      client.send(['NEG-OPEN', 'n', {}, '6100000200'])
      assert.match(String((await client.next(m => m[0] === 'NEG-ERR'))[2]), /more than 1 events/)
    },
  ],
  ...validation('maxFiltersPerReq', '1', [{}, {}], /has 1 to 1 filters/),
  ...validation('minFiltersPerReq', '2', [{}], /has 2 to 3 filters/),
  ...validation('maxKindsPerFilter', '1', [{ kinds: [1, 7] }], /at most 1 kinds/),
  ...validation('allowedKinds', '"1, 7"', [{ kinds: [1, 3] }], /kind 3 cannot be asked for/),
  ...validation('requireAuthorOrTag', 'true', [{ kinds: [1] }], /exactly one author, p or e/),
  [
    'relay.filterValidation.enabled',
    'true',
    async ({ client }) => {
      assert.match(await asked(client, {}, {}, {}, {}), /has 1 to 3 filters/)
      assert.match(await asked(client, { kinds: [1, 3, 7] }), /events$/)
    },
  ],
]

/** A key of filterValidation: it refuses where that is enabled, and says nothing where it is not. */
function validation(key: string, value: string, filters: object[], msg: RegExp): Row[] {
  const name = `relay.filterValidation.${key}`
  const check = async ({ relay, client }: Stage) => {
    assert.match(await asked(client, ...filters), /events$/)
    await relay.reload(`${name}=${value}`, 'relay.filterValidation.enabled=true')
    assert.match(await asked(client, ...filters), msg)
  }
  return [[name, value, check]]
}

const test = suite('the keys of strfry.conf')
test.after.each(closeAll)

test('none is unknown here, each is said once, and those that say nothing are named', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-keys-'))
  closeLater(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'strfry.conf')
  assert.is(new Set(rows.map(([key]) => key)).size, rows.length)
  for (const [key, value, shows] of rows) {
    const path = key.split('.')
    const text = `${path.join(' { ')} = ${value}${' }'.repeat(path.length - 1)}`
    writeFileSync(file, text)
    const { ignored, unknown } = loadConfig({ file, set: [], env: {} })
    assert.equal(unknown, [], key)
    const named = ignored.some(one => key === one || key.startsWith(`${one}.`))
    assert.is(named, shows === 'ignored', key)
  }
})

test('each of the others does what it says, in a relay that goes on', async () => {
  const relay = await (await relayWith(() => ['plugins=[]'])).start()
  const headers = { accept: 'application/nostr+json' }
  const info = () => fetch(relay.http, { headers }).then(answer => answer.json())
  for (const [key, value, shows] of rows) {
    if (shows === 'ignored') continue
    relay.lines.length = 0
    assert.ok(await relay.reload(`${key}=${value}`), key)
    const client = await open(relay.url)
    if (shows === 'fixed') {
      const [line] = relay.saying('what changed here needs a restart')
      assert.ok((line?.keys as string[] | undefined)?.includes(key), key)
    } else
      await shows({ relay, client, info: info as Stage['info'] }).catch(error => {
        throw new Error(`${key}: ${error.message}`, { cause: error })
      })
    client.close()
  }
})

test.run()
