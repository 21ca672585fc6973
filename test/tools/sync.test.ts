import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Event } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket, { WebSocketServer } from 'ws'
import { kinds } from '../../events/index.ts'
import { reconciliation } from '../../relay/negentropy.ts'
import { connect, person, type RelayProcess, spawnRelay } from '../harness.ts'
import { fill, folder, idsOf, NOW, notes, sluice, stored } from './sluice.ts'

const test = suite<{ dir: string; here: string; there: string }>('sync')
test.before.each(context => {
  context.dir = folder()
  context.here = join(context.dir, 'here')
  context.there = join(context.dir, 'there')
})
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }))

const serve = (db: string, ...set: string[]): Promise<RelayProcess> =>
  spawnRelay(['--set', `db=${db}`, '--set', 'plugins=[]', ...set.flatMap(one => ['--set', one])])

type Talk = (
  message: [string, ...unknown[]],
  say: (...message: unknown[]) => void,
  ws: WebSocket,
) => void

/** A relay of a few lines, for what no honest relay does. */
async function fakeRelay(talk: Talk) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  server.on('connection', ws =>
    ws.on('message', data => {
      const say = (...message: unknown[]) => ws.send(JSON.stringify(message))
      talk(JSON.parse(String(data)), say, ws)
    }),
  )
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const ws of server.clients) ws.terminate()
      server.close()
    },
  }
}

/** Between a client and the relay at `url`; ends a connection when `cut` says so of a message. */
const proxy = (url: string, cut: (message: [string, ...unknown[]]) => boolean) => {
  const upstreams = new WeakMap<WebSocket, WebSocket>()
  return fakeRelay((message, _, ws) => {
    let upstream = upstreams.get(ws)
    if (!upstream) {
      upstream = new WebSocket(url)
      upstreams.set(ws, upstream)
      ws.on('close', () => upstream?.terminate())
      upstream.on('message', data => {
        if (cut(JSON.parse(String(data)))) ws.terminate()
        else ws.send(String(data))
      })
    }
    const text = JSON.stringify(message)
    if (upstream.readyState === WebSocket.OPEN) upstream.send(text)
    else upstream.once('open', () => upstream?.send(text))
  })
}

test('both relays have the same events, but for what belongs to one', async ({ here, there }) => {
  const author = person()
  const [common, ours, theirs] = [notes(150), notes(60), notes(350)]
  const secret = [kinds.DirectMessage, kinds.GiftWrap, kinds.StreamReceipt].map(kind =>
    author.sign({ kind, tags: [['p', person().pubkey]] }),
  )
  const guarded = author.sign({ kind: 1, tags: [['-']] })
  await fill(here, [...common, ...ours, ...secret, guarded])
  await fill(there, [...common, ...theirs])
  const relay = await serve(there)
  const mine = await serve(here)
  try {
    const { code, stdout } = await sluice(here, ['sync', relay.url])
    assert.is(code, 0)
    assert.match(stdout, 'down: 350 added')
    assert.match(stdout, 'up: 60 taken, 0 refused, 1 kept back')
    const everywhere = [...common, ...ours, ...theirs]
    assert.equal(idsOf(await stored(here)), idsOf([...everywhere, ...secret, guarded]))
    assert.equal(idsOf(await stored(there)), idsOf(everywhere))
    const client = await connect(mine.url)
    assert.is((await client.req('r', { ids: idsOf(theirs) })).length, 350)
    client.close()
    const again = await sluice(here, ['sync', relay.url])
    assert.is(again.stdout, 'up: 0 taken, 0 refused, 1 kept back as protected\n')
    assert.match(
      (await sluice(here, ['sync', relay.url, '--dir', 'down'])).stdout,
      'nothing differs',
    )
  } finally {
    await relay.stop()
    await mine.stop()
  }
})

test('one direction and a filter are kept to', async ({ here, there }) => {
  const [ours, theirs] = [notes(40), notes(40)]
  await fill(here, ours)
  await fill(there, theirs)
  const relay = await serve(there)
  const likes = (events: Event[]) => events.filter(event => event.kind === 7)
  try {
    const down = ['sync', relay.url, '--dir', 'down', '--filter', '{"kinds":[7]}']
    assert.match((await sluice(here, down)).stdout, /^down: 10 added.*\n$/)
    assert.equal(idsOf(await stored(here)), idsOf([...ours, ...likes(theirs)]))
    assert.equal(idsOf(await stored(there)), idsOf(theirs))
    const up = ['sync', relay.url, '--dir', 'up', '--filter', '{"kinds":[7]}']
    assert.match((await sluice(here, up)).stdout, /^up: 10 taken.*\n$/)
    assert.equal(idsOf(await stored(there)), idsOf([...theirs, ...likes(ours)]))
  } finally {
    await relay.stop()
  }
})

test('what one message cannot compare is compared in spans of time', async ({ here, there }) => {
  const [ours, theirs] = [notes(200, person(), NOW - 40_000), notes(200)]
  await fill(here, ours)
  await fill(there, theirs)
  const relay = await serve(there, 'relay.negentropy.maxSyncEvents=60')
  try {
    const { stdout, stderr } = await sluice(here, ['sync', relay.url])
    assert.match(stdout, 'down: 200 added', stderr)
    assert.match(stdout, 'up: 200 taken')
    assert.equal(idsOf(await stored(there)), idsOf([...ours, ...theirs]))
  } finally {
    await relay.stop()
  }
})

test('a sync that is cut off in either direction keeps what came, and goes on when run again', async ({
  here,
  there,
}) => {
  const [ours, theirs] = [notes(300), notes(700)]
  await fill(here, ours)
  await fill(there, theirs)
  const relay = await serve(there)
  try {
    for (const [type, after, kept] of [
      ['EVENT', 450, /down: 400 added/],
      ['OK', 120, /down: 300 added/],
    ] as const) {
      let heard = 0
      const between = await proxy(relay.url, message => message[0] === type && ++heard > after)
      const { code, stdout, stderr } = await sluice(here, ['sync', between.url])
      between.close()
      assert.is(code, 1)
      assert.is(stdout, '')
      assert.match(stderr, /^sluice: ws:\/\/\S+ ended the connection \(1006\); so far, and kept:/m)
      assert.match(stderr, kept)
      assert.match(stderr, /run it again to go on$/m)
    }
    const { stdout } = await sluice(here, ['sync', relay.url])
    const sent = Number(/up: (\d+) taken/.exec(stdout)?.[1])
    // Those that were taken before are not sent again.
    assert.ok(sent > 0 && sent < 300, stdout)
    assert.not.match(stdout, /down/)
    for (const db of [here, there])
      assert.equal(idsOf(await stored(db)), idsOf([...ours, ...theirs]))
  } finally {
    await relay.stop()
  }
})

test('nothing forged, private or out of date comes in, whatever the other relay offers', async ({
  here,
}) => {
  const author = person()
  const [good, forged, unasked] = notes(3)
  assert.ok(good && forged && unasked)
  const bad = [
    ...[5610, 5611, 5612, 5613, 5614, 5615, 5650, 5651].map(kind => author.sign({ kind })),
    { ...forged, sig: good.sig },
    author.sign({ kind: 1, tags: [['-']] }),
    author.sign({ kind: 1, tags: [['expiration', `${NOW - 5}`]] }),
    author.sign({ kind: 1, created_at: NOW + 100_000 }),
    author.sign({ kind: 20_001 }),
  ]
  const offered = [good, ...bad]
  const session = reconciliation(
    offered.map(({ id, created_at }) => ({ id, createdAt: created_at })),
  )
  const received: string[] = []
  const relay = await fakeRelay((message, say) => {
    const [type, id, , hex] = message
    received.push(type)
    if (type === 'NEG-OPEN') say('NEG-MSG', id, session.answer(String(hex)))
    if (type !== 'REQ') return
    say('EVENT', id, unasked)
    say('EVENT', id, null)
    for (const event of offered) say('EVENT', id, event)
    say('EVENT', id, good)
    say('EOSE', id)
  })
  try {
    const { code, stdout } = await sluice(here, ['sync', relay.url])
    assert.is(code, 0)
    assert.match(
      stdout,
      'down: 1 added, 0 here already or older, 0 deleted by their authors, 13 refused, 0 not given',
    )
    assert.equal(idsOf(await stored(here)), [good.id])
    assert.not(received.includes('EVENT'))
  } finally {
    relay.close()
  }
})

test('a relay that cannot or will not reconcile is told of in one sentence', async ({ here }) => {
  await fill(here, notes(3))
  const cases: [Talk, RegExp][] = [
    [
      (_, say) => say('NOTICE', 'unknown command NEG-OPEN'),
      /does not answer NEG-OPEN: it seems to have no NIP-77 \(it said: unknown command NEG-OPEN\)$/m,
    ],
    [
      ([, id], say) => say('NEG-ERR', id, 'auth-required: log in first'),
      /refuses to reconcile: auth-required: log in first$/m,
    ],
    [
      ([, id], say) => say('NEG-ERR', id, 'blocked: too many query results'),
      /refuses to reconcile: blocked: too many query results$/m,
    ],
    [([, id], say) => say('NEG-MSG', id, 'ff'), /does not speak negentropy v1/],
    [([, id], say) => say('NEG-MSG', id, '62'), /does not speak negentropy v1/],
    [(_, __, ws) => ws.close(4000, 'go away'), /ended the connection \(4000, go away\)$/m],
  ]
  await Promise.all(
    cases.map(async ([talk, sentence]) => {
      const relay = await fakeRelay(talk)
      try {
        const { code, stdout, stderr } = await sluice(here, ['sync', relay.url])
        assert.is(code, 1)
        assert.is(stdout, '')
        assert.match(stderr, sentence)
        assert.is(stderr.trim().split('\n').length, 1, stderr)
      } finally {
        relay.close()
      }
    }),
  )
  const wrong = async (args: string[], sentence: RegExp) => {
    const { code, stderr } = await sluice(here, ['sync', ...args])
    assert.is(code, 1)
    assert.match(stderr, sentence)
  }
  await Promise.all([
    wrong(['ws://127.0.0.1:1'], /^sluice: ws:\/\/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/),
    wrong(['https://example.com'], /name one relay to sync with/),
    wrong(['ws://127.0.0.1:1', '--dir', 'left'], /--dir is up, down or both/),
    wrong(['ws://127.0.0.1:1', '--filter', '{"limit":1}'], /no limit/),
  ])
})

test.run()
