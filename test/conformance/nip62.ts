import assert from 'node:assert/strict'
import { check, now, type Suite, unique } from './check.ts'
import { type Person, person } from './client.ts'

const vanish = (who: Person, relay: string, created_at = now()) =>
  who.sign({ kind: 62, tags: [['relay', relay]], created_at })

/** The right to vanish. Source: NIP-62. */
export const nip62: Suite = {
  name: 'nip62',
  nips: [62],
  checks: [
    check('a request that names this relay takes everything up to its created_at', async relay => {
      const client = await relay.connect()
      const [who, other] = [person(), person()]
      const note = who.sign({ kind: 1, content: unique(), created_at: now() - 10 })
      const profile = who.sign({ kind: 0, created_at: now() - 10 })
      const deletion = who.sign({ kind: 5, tags: [['e', unique()]], created_at: now() - 9 })
      const stays = other.sign({ kind: 1, content: unique(), created_at: now() - 10 })
      await client.store(note, profile, deletion, stays)
      await client.store(vanish(who, relay.url, now() - 5))
      assert.deepEqual(await client.ids({ authors: [who.pubkey], kinds: [0, 1, 5] }), [])
      assert.deepEqual(await client.ids({ ids: [stays.id] }), [stays.id])
    }),

    check('ALL_RELAYS means this one too', async relay => {
      const client = await relay.connect()
      const who = person()
      await client.store(who.sign({ kind: 1, created_at: now() - 10 }))
      await client.store(vanish(who, 'ALL_RELAYS'))
      assert.deepEqual(await client.ids({ authors: [who.pubkey], kinds: [1] }), [])
    }),

    check("another relay's request takes nothing here", async relay => {
      const client = await relay.connect()
      const who = person()
      const note = who.sign({ kind: 1, created_at: now() - 10 })
      await client.store(note)
      await client.publish(vanish(who, 'wss://other.example'))
      await client.publish(vanish(who, 'all_relays'))
      await client.publish(who.sign({ kind: 62, tags: [] }))
      assert.deepEqual(await client.ids({ authors: [who.pubkey], kinds: [1] }), [note.id])
    }),

    check('what is gone cannot be broadcast again; what is newer comes in', async relay => {
      const client = await relay.connect()
      const who = person()
      const [gone, unseen] = [1, 2].map(i =>
        who.sign({ kind: 1, content: `${i}`, created_at: now() - 10 }),
      )
      assert.ok(gone && unseen)
      await client.store(gone, vanish(who, relay.url, now() - 5))
      await client.refused(gone)
      await client.refused(unseen)
      assert.deepEqual(await client.ids({ authors: [who.pubkey], kinds: [1] }), [])
      const fresh = who.sign({ kind: 1, content: 'back' })
      await client.store(fresh)
      assert.deepEqual(await client.ids({ authors: [who.pubkey], kinds: [1] }), [fresh.id])
    }),

    check('gift wraps to the pubkey go as well', async relay => {
      const client = await relay.connect()
      const who = person()
      const wrap = person().sign({ kind: 1059, tags: [['p', who.pubkey]], created_at: now() - 10 })
      await client.store(wrap)
      await client.login(who)
      assert.deepEqual(await client.ids({ kinds: [1059], '#p': [who.pubkey] }), [wrap.id])
      await client.store(vanish(who, relay.url))
      assert.deepEqual(await client.ids({ kinds: [1059], '#p': [who.pubkey] }), [])
    }),

    check('a deletion of the request has no effect', async relay => {
      const client = await relay.connect()
      const who = person()
      const note = who.sign({ kind: 1, created_at: now() - 10 })
      const request = vanish(who, relay.url, now() - 5)
      await client.store(note, request)
      await client.publish(who.sign({ kind: 5, tags: [['e', request.id]] }))
      await client.refused(note)
    }),

    check('nobody vanishes another', async relay => {
      const client = await relay.connect()
      const [who, thief] = [person(), person()]
      const note = who.sign({ kind: 1, created_at: now() - 10 })
      await client.store(note)
      await client.refused({ ...vanish(thief, relay.url), pubkey: who.pubkey })
      assert.deepEqual(await client.ids({ ids: [note.id] }), [note.id])
    }),
  ],
}
