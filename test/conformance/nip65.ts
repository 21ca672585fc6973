import assert from 'node:assert/strict'
import { check, now, type Suite, unique } from './check.ts'
import { person } from './client.ts'

const list = (...names: string[]) => names.map(name => ['r', `wss://${name}.example`])

/** Relay lists, which every relay may be asked for: kind 10002 is replaceable. Source: NIP-65. */
export const nip65: Suite = {
  name: 'nip65',
  nips: [],
  checks: [
    check('a relay list is kept with its markers', async relay => {
      const client = await relay.connect()
      const tags = [
        ...list('one'),
        ['r', 'wss://two.example', 'write'],
        ['r', 'wss://three.example', 'read'],
      ]
      const event = person().sign({ kind: 10_002, tags })
      await client.store(event)
      const { events } = await client.query('r', { kinds: [10_002], authors: [event.pubkey] })
      assert.deepEqual(events, [event])
    }),
    check('the newer list replaces the older', async relay => {
      const client = await relay.connect()
      const author = person()
      const old = author.sign({ kind: 10_002, tags: list('old'), created_at: now() - 10 })
      const fresh = author.sign({ kind: 10_002, tags: list('fresh') })
      await client.store(old, fresh)
      await client.publish(old)
      assert.deepEqual(await client.ids({ kinds: [10_002], authors: [author.pubkey] }), [fresh.id])
    }),
    check('lists are found by the relays in them', async relay => {
      const client = await relay.connect()
      const name = unique()
      const event = person().sign({ kind: 10_002, tags: list(name) })
      await client.store(event)
      assert.deepEqual(await client.ids({ '#r': [`wss://${name}.example`] }), [event.id])
    }),
  ],
}
