import assert from 'node:assert/strict'
import { check, now, type Suite, unique } from './check.ts'
import { pause, person } from './client.ts'

const expiring = (at: string | number) => ({
  kind: 1,
  content: unique(),
  tags: [['expiration', `${at}`]],
})

/** Expiry. Source: NIP-40. */
export const nip40: Suite = {
  name: 'nip40',
  nips: [40],
  checks: [
    check('what has expired is refused', async relay => {
      const client = await relay.connect()
      const event = person().sign(expiring(now() - 10))
      assert.equal(await client.refused(event), 'invalid')
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    }),

    check('what has not expired is kept, and served until it does', async relay => {
      const client = await relay.connect()
      const event = person().sign(expiring(now() + 3))
      await client.store(event)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [event.id])
      await pause(4500)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
      assert.deepEqual(await client.ids({ authors: [event.pubkey] }), [])
    }),

    check(
      'what has expired is not counted',
      async relay => {
        const client = await relay.connect()
        const event = person().sign(expiring(now() + 2))
        await client.store(event)
        await pause(3500)
        assert.equal((await client.count({ authors: [event.pubkey] })).count, 0)
      },
      ({ info }) => (info.supported_nips?.includes(45) ? undefined : 'the relay does not count'),
    ),

    check('an expiration that is no number does no harm', async relay => {
      const client = await relay.connect()
      for (const value of ['', 'soon', '-1', '1e99', '99999999999999999999', '0x10', ' 1']) {
        const event = person().sign(expiring(value))
        const { accepted } = await client.publish(event)
        assert.deepEqual(await client.ids({ ids: [event.id] }), accepted ? [event.id] : [], value)
      }
      await client.publish(person().sign({ kind: 1, tags: [['expiration']] }))
      await client.alive()
    }),

    check('an expired version does not bring the older one back', async relay => {
      const client = await relay.connect()
      const author = person()
      const old = author.sign({ kind: 10_777, created_at: now() - 20 })
      const tags = [['expiration', `${now() + 2}`]]
      await client.store(old, author.sign({ kind: 10_777, created_at: now() - 10, tags }))
      await pause(3500)
      assert.deepEqual(await client.ids({ authors: [author.pubkey] }), [])
    }),
  ],
}
