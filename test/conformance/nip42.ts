import assert from 'node:assert/strict'
import { check, now, type Suite, unique } from './check.ts'
import { type Client, person } from './client.ts'

const answerTags = async (client: Client, url: string) => [
  ['relay', url],
  ['challenge', await client.challenge()],
]

/** Authentication. Source: NIP-42. */
export const nip42: Suite = {
  name: 'nip42',
  nips: [42],
  checks: [
    check('a challenge comes on connecting, another for each connection', async relay => {
      const [one, two] = [await relay.connect(), await relay.connect()]
      assert.notEqual(await one.challenge(), await two.challenge())
    }),

    check('a key that the relay has never seen may authenticate', async relay => {
      const client = await relay.connect()
      assert.deepEqual((await client.auth(person())).accepted, true)
    }),

    check(
      'several keys authenticate on one connection, and all count',
      async relay => {
        const client = await relay.connect()
        const people = [person(), person(), person()]
        for (const who of people) await client.login(who)
        for (const who of people)
          await client.store(who.sign({ kind: 1, tags: [['-']], content: unique() }))
      },
      ({ info }) => (info.supported_nips?.includes(70) ? undefined : 'seen by NIP-70 events'),
    ),

    check('another kind is refused', async relay => {
      const client = await relay.connect()
      assert.equal((await client.auth(person(), { kind: 1 })).accepted, false)
      assert.equal((await client.auth(person(), { kind: 27_235 })).accepted, false)
    }),

    check('another relay is refused', async relay => {
      const client = await relay.connect()
      const challenge = ['challenge', await client.challenge()]
      for (const url of ['wss://other.example', '', `${relay.url}.evil.example`, 'ws://[bad']) {
        const { accepted } = await client.auth(person(), { tags: [['relay', url], challenge] })
        assert.equal(accepted, false, url)
      }
      assert.equal((await client.auth(person(), { tags: [challenge] })).accepted, false)
    }),

    check('a Host header does not make another relay ours', async relay => {
      const client = await relay.connect()
      const { default: WebSocket } = await import('ws')
      const ws = new WebSocket(relay.url, { headers: { host: 'other.example' } })
      const heard: unknown[][] = []
      ws.on('error', () => undefined)
      ws.on('message', data => heard.push(JSON.parse(String(data))))
      await new Promise(resolve => {
        ws.once('open', resolve)
        ws.once('close', resolve)
      })
      await client.alive()
      const challenge = heard.find(message => message[0] === 'AUTH')?.[1]
      const tags = [
        ['relay', 'ws://other.example'],
        ['challenge', String(challenge)],
      ]
      const event = person().sign({ kind: 22_242, tags })
      if (ws.readyState === ws.OPEN) ws.send(JSON.stringify(['AUTH', event]))
      await client.alive()
      await client.quiet('none', 200)
      ws.terminate()
      assert.ok(!heard.some(([type, id, ok]) => type === 'OK' && id === event.id && ok === true))
    }),

    check('another challenge is refused: old, of another connection, none', async relay => {
      const [client, other] = [await relay.connect(), await relay.connect()]
      const foreign = await other.challenge()
      for (const challenge of [foreign, unique(), '']) {
        const tags = [
          ['relay', relay.url],
          ['challenge', challenge],
        ]
        assert.equal((await client.auth(person(), { tags })).accepted, false)
      }
      assert.equal((await client.auth(person(), { tags: [['relay', relay.url]] })).accepted, false)
    }),

    check('created_at has to be near now, on both sides', async relay => {
      const client = await relay.connect()
      for (const off of [-3600, 3600])
        assert.equal((await client.auth(person(), { created_at: now() + off })).accepted, false)
      assert.equal((await client.auth(person(), { created_at: now() - 120 })).accepted, true)
    }),

    check('the signature is verified', async relay => {
      const client = await relay.connect()
      const event = person().sign({ kind: 22_242, tags: await answerTags(client, relay.url) })
      for (const forged of [
        { ...event, sig: '2'.repeat(128) },
        { ...event, pubkey: person().pubkey },
      ]) {
        client.send('AUTH', forged)
        const answer = await client.next(m => ['OK', 'NOTICE'].includes(m[0]), 'refusal')
        assert.notEqual(answer[2], true)
      }
    }),

    check(
      'a failed AUTH proves nothing; the challenge stays good',
      async relay => {
        const client = await relay.connect()
        const who = person()
        await client.auth(who, { created_at: now() - 3600 })
        const event = who.sign({ kind: 1, tags: [['-']], content: unique() })
        assert.equal(await client.refused(event), 'auth-required')
        await client.login(who)
        await client.store(event)
      },
      ({ info }) => (info.supported_nips?.includes(70) ? undefined : 'seen by NIP-70 events'),
    ),

    check(
      'AUTH events are neither stored nor passed on, whichever verb brings them',
      async relay => {
        const [client, reader] = [await relay.connect(), await relay.connect()]
        const who = person()
        await reader.query('s', { authors: [who.pubkey] })
        const event = who.sign({ kind: 22_242, tags: await answerTags(client, relay.url) })
        client.send('AUTH', event)
        await client.next(m => m[0] === 'OK', 'OK')
        await client.publish(event)
        await reader.quiet('s')
        assert.deepEqual(await client.ids({ ids: [event.id] }), [])
      },
    ),

    check(
      'the challenge is there before the OK that asks for it',
      async relay => {
        const client = await relay.connect()
        const event = person().sign({ kind: 1, tags: [['-']], content: unique() })
        assert.equal(await client.refused(event), 'auth-required')
        assert.ok(client.inbox.some(message => message[0] === 'AUTH'))
      },
      ({ info }) => (info.supported_nips?.includes(70) ? undefined : 'seen by NIP-70 events'),
    ),
  ],
}
