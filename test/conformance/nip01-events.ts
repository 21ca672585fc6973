import assert from 'node:assert/strict'
import { check, hex64, now, unique } from './check.ts'
import { type Client, person } from './client.ts'
import { pow } from './pow.ts'

const DAY = 86_400

/** Sends an event's JSON as it stands and gives what the relay answers: OK, or NOTICE where no id is readable. */
async function sendText(client: Client, id: string, json: string): Promise<boolean> {
  client.raw(`["EVENT",${json}]`)
  const answer = await client.next(
    message => (message[0] === 'OK' && message[1] === id) || message[0] === 'NOTICE',
    'answer',
  )
  return answer[0] === 'OK' && answer[2] === true
}

/** Kept as it is, or refused with a reason: a relay's policy may do either, but nothing between. */
async function keptOrRefused(client: Client, id: string, json: string): Promise<void> {
  const accepted = await sendText(client, id, json)
  assert.deepEqual(await client.ids({ ids: [id] }), accepted ? [id] : [])
}

export const eventChecks = [
  check('EVENT is answered with OK', async relay => {
    const client = await relay.connect()
    const { accepted } = await client.publish(person().sign({ kind: 1, content: unique() }))
    assert.ok(accepted)
  }),

  check('the same event again is no failure', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: unique() })
    await client.store(event)
    const { accepted, msg } = await client.publish(event)
    assert.ok(accepted || msg.startsWith('duplicate:'), `the second time: ${msg}`)
    assert.deepEqual(await client.ids({ ids: [event.id] }), [event.id])
  }),

  check('an event comes back as it was signed', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: unique(), tags: [['t', unique(), '', 'x']] })
    await client.store(event)
    const { events } = await client.query('q', { ids: [event.id] })
    assert.deepEqual(events, [event])
  }),

  check('an id that is not the hash is refused', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: unique() })
    assert.equal(await client.refused({ ...event, content: 'another' }), 'invalid')
    const id = hex64()
    assert.equal(await client.refused({ ...event, id }), 'invalid')
    assert.deepEqual(await client.ids({ ids: [event.id, id] }), [])
  }),

  check('a signature that does not verify is refused', async relay => {
    const client = await relay.connect()
    const [event, other] = [unique(), unique()].map(content => person().sign({ kind: 1, content }))
    assert.ok(event && other)
    assert.equal(await client.refused({ ...event, sig: other.sig }), 'invalid')
    assert.equal(await client.refused({ ...event, sig: '0'.repeat(128) }), 'invalid')
    assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    await client.store(event)
  }),

  check("the characters that NIP-01 escapes are hashed by NIP-01's rules", async relay => {
    const client = await relay.connect()
    const content = `${unique()} \n " \\ \r \t \b \f / \u2028 \u007f é 🤙 \uffff \u0001`
    const event = person().sign({ kind: 1, content, tags: [['t', content]] })
    await client.store(event)
    const { events } = await client.query('q', { ids: [event.id] })
    assert.equal(events[0]?.content, content)
    assert.deepEqual(await client.ids({ '#t': [content] }), [event.id])
  }),

  check('escapes and white space of the sender do not matter', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: `é/${unique()}` })
    const text = JSON.stringify(event, null, 2).replace('é', '\\u00e9').replace('/', '\\/')
    assert.ok(await sendText(client, event.id, text))
    assert.equal((await client.query('q', { ids: [event.id] })).events[0]?.content, event.content)
  }),

  check('a lone surrogate does not make two events of one id', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: `${unique()}\ufffd` })
    const text = JSON.stringify(event).replace('\ufffd', '\\ud800')
    await sendText(client, event.id, text)
    const { events } = await client.query('q', { ids: [event.id] })
    assert.ok(events.every(found => found.content === event.content))
  }),

  check('an event a week old is accepted', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, created_at: now() - 7 * DAY, content: unique() })
    await client.store(event)
    assert.deepEqual(await client.ids({ ids: [event.id] }), [event.id])
  }),

  ...[
    ['of 1970', 0],
    ['beyond int32', 2 ** 31],
    ['beyond uint32', 2 ** 32 + 7],
    ['a year ahead', now() + 365 * DAY],
  ].map(([name, created_at]) =>
    check(`created_at ${name} is kept, or refused with a reason`, async relay => {
      const client = await relay.connect()
      const event = person().sign({ kind: 1, created_at: Number(created_at), content: unique() })
      const { accepted, msg } = await client.publish(event)
      assert.ok(accepted || /^[a-z-]+: ?\S/.test(msg), msg)
      assert.deepEqual(await client.ids({ ids: [event.id] }), accepted ? [event.id] : [])
    }),
  ),

  check('created_at in scientific notation is kept, or refused', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, created_at: 1_800_000_000 - DAY, content: unique() })
    const round = person().sign({ kind: 1, created_at: 1_700_000_000, content: unique() })
    await keptOrRefused(
      client,
      event.id,
      JSON.stringify(event).replace('1799913600', '1.7999136e9'),
    )
    await keptOrRefused(client, round.id, JSON.stringify(round).replace('1700000000', '1.7e9'))
    await client.alive()
  }),

  check('empty tags are kept, or refused with a reason', async relay => {
    const client = await relay.connect()
    for (const tags of [[[]], [['']], [['t']], [['t', '']]]) {
      const event = person().sign({ kind: 1, tags, content: unique() })
      await keptOrRefused(client, event.id, JSON.stringify(event))
    }
  }),

  check('malformed events are refused, and the connection lives', async relay => {
    const client = await relay.connect()
    const event = person().sign({ kind: 1, content: unique() })
    const bad: object[] = [
      { ...event, kind: '1' },
      { ...event, kind: -1 },
      { ...event, kind: 65_536 },
      { ...event, kind: 1.5 },
      { ...event, created_at: '1' },
      { ...event, created_at: -1 },
      { ...event, tags: {} },
      { ...event, tags: [['e', 1]] },
      { ...event, tags: ['e'] },
      { ...event, tags: [['e', null]] },
      { ...event, content: null },
      { ...event, content: undefined },
      { ...event, sig: undefined },
      { ...event, pubkey: event.pubkey.toUpperCase() },
    ]
    for (const one of bad)
      assert.equal(
        await sendText(client, event.id, JSON.stringify(one)),
        false,
        JSON.stringify(one),
      )
    await client.alive()
    assert.deepEqual(await client.ids({ ids: [event.id] }), [])
  }),

  check(
    'numbers and keys that can be read in two ways are refused, or read as signed',
    async relay => {
      const client = await relay.connect()
      const event = person().sign({ kind: 1, content: unique() })
      const json = JSON.stringify(event)
      for (const text of [
        json.replace('"kind":1', '"kind":1,"kind":2'),
        json.replace('"kind":1', '"kind":1.0'),
        json.replace('"kind":1', '"kind":1e0'),
        json.replace('{', '{"__proto__":{"kind":2},'),
      ])
        await sendText(client, event.id, text)
      const { events } = await client.query('q', { ids: [event.id] })
      assert.ok(events.every(found => found.kind === 1))
      await client.alive()
    },
  ),

  check('messages that are none of the protocol leave the connection alive', async relay => {
    const client = await relay.connect()
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '[1]',
      '["NO-SUCH-VERB"]',
      '["EVENT"]',
      '["REQ"]',
    ])
      client.raw(text)
    for (const text of ['["EVENT",[]]', '["EVENT",null]', '["CLOSE"]', '["AUTH"]', '["REQ",1,{}]'])
      client.raw(text)
    await client.alive()
  }),

  check('JSON 50,000 deep does not hurt', async relay => {
    const client = await relay.connect()
    client.raw('['.repeat(50_000))
    client.raw(`["REQ","deep",${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}]`)
    const other = await relay.connect()
    await other.alive()
  }),

  check('bytes that are not UTF-8 do not hurt others', async relay => {
    const client = await relay.connect()
    client.ws.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false })
    const other = await relay.connect()
    await other.alive()
  }),

  check('quotes and SQL in tags are nothing but text', async relay => {
    const client = await relay.connect()
    const value = `'; DROP TABLE events; -- ${unique()} " \\ % _`
    const event = person().sign({ kind: 1, tags: [['t', value]] })
    await client.store(event)
    assert.deepEqual(await client.ids({ '#t': [value] }), [event.id])
    assert.deepEqual(await client.ids({ '#t': [value.replace('%', 'x')] }), [])
  }),

  check('an event of everything that its limits allow comes back whole', async relay => {
    const client = await relay.connect()
    const content = `${unique()} ${'x'.repeat(7000)}`
    const tags = Array.from({ length: 100 }, (_, i) => ['t', `${i}`])
    const event = pow(relay.info, person(), { kind: 1, content, tags })
    await client.store(event)
    assert.deepEqual((await client.query('q', { ids: [event.id] })).events, [event])
  }),
]
