import assert from 'node:assert/strict'
import { check, type Suite, unique } from './check.ts'
import { type Person, person } from './client.ts'

const secret = (who: Person) => who.sign({ kind: 1, tags: [['-']], content: unique() })

/** Protected events. Source: NIP-70. */
export const nip70: Suite = {
  name: 'nip70',
  nips: [70],
  checks: [
    check('without AUTH a protected event is refused', async relay => {
      const client = await relay.connect()
      const event = secret(person())
      assert.equal(await client.refused(event), 'auth-required')
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    }),
    check('another than its author may not publish it', async relay => {
      const client = await relay.connect()
      await client.login(person())
      const event = secret(person())
      assert.match(await client.refused(event), /^(restricted|auth-required)$/)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    }),
    check('its author, authenticated, may', async relay => {
      const [client, reader] = [await relay.connect(), await relay.connect()]
      const who = person()
      await client.login(who)
      const event = secret(who)
      await client.store(event)
      assert.deepEqual(await reader.ids({ ids: [event.id] }), [event.id])
    }),
    check("one connection's AUTH does not count on another", async relay => {
      const [client, other] = [await relay.connect(), await relay.connect()]
      const who = person()
      await client.login(who)
      assert.equal(await other.refused(secret(who)), 'auth-required')
    }),
    check('a repost that embeds a protected event is refused', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = secret(author)
      const tags = [
        ['e', event.id],
        ['p', author.pubkey],
      ]
      for (const kind of [6, 16])
        await client.refused(person().sign({ kind, tags, content: JSON.stringify(event) }))
      await client.store(person().sign({ kind: 6, tags }))
    }),
  ],
}
