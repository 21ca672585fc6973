import assert from 'node:assert/strict'
import { check, hex64, now, type Suite, unique } from './check.ts'
import { person } from './client.ts'

const KIND = 31_777

/** Deletion requests. Source: NIP-09. */
export const nip09: Suite = {
  name: 'nip09',
  nips: [9],
  checks: [
    check('deletion by id takes the event away and keeps the request', async relay => {
      const client = await relay.connect()
      const author = person()
      const [gone, kept] = ['gone', 'kept'].map(content => author.sign({ kind: 1, content }))
      assert.ok(gone && kept)
      await client.store(gone, kept)
      const request = author.sign({ kind: 5, tags: [['e', gone.id]] })
      await client.store(request)
      const found = await client.ids({ authors: [author.pubkey] })
      assert.deepEqual(found.sort(), [kept.id, request.id].sort())
      assert.deepEqual(await client.ids({ ids: [gone.id] }), [])
    }),

    check('what was deleted by id is refused when it comes again', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = author.sign({ kind: 1, content: unique() })
      await client.store(event, author.sign({ kind: 5, tags: [['e', event.id]] }))
      await client.publish(event)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
      await client.refused(event)
    }),

    check('a deletion that comes before its event holds too', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = author.sign({ kind: 1, content: unique() })
      await client.store(author.sign({ kind: 5, tags: [['e', event.id]] }))
      await client.refused(event)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
    }),

    check("another's event cannot be deleted, by id or address, before or after", async relay => {
      const client = await relay.connect()
      const [author, thief] = [person(), person()]
      const note = author.sign({ kind: 1, content: unique() })
      const page = author.sign({ kind: KIND, tags: [['d', 'x']] })
      const late = author.sign({ kind: 1, content: unique() })
      await client.store(note, page)
      const address = `${KIND}:${author.pubkey}:x`
      const tags = [
        ['e', note.id],
        ['e', page.id],
        ['e', late.id],
        ['a', address],
      ]
      await client.publish(thief.sign({ kind: 5, tags }))
      await client.store(late)
      const found = await client.ids({ authors: [author.pubkey] })
      assert.deepEqual(found.sort(), [note.id, page.id, late.id].sort())
    }),

    check('deletion by address takes versions up to its created_at', async relay => {
      const client = await relay.connect()
      const author = person()
      const sign = (created_at: number) =>
        author.sign({ kind: KIND, tags: [['d', 'x']], created_at })
      const [old, same] = [sign(now() - 20), sign(now() - 10)]
      await client.store(old)
      const tags = [['a', `${KIND}:${author.pubkey}:x`]]
      await client.store(author.sign({ kind: 5, tags, created_at: now() - 10 }))
      assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [KIND] }), [])
      await client.refused(old)
      await client.refused(same)
      assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [KIND] }), [])
    }),

    check(
      'a version newer than the deletion by address stays, and a newer one comes in',
      async relay => {
        const client = await relay.connect()
        const author = person()
        const sign = (created_at: number) =>
          author.sign({ kind: KIND, tags: [['d', 'x']], created_at })
        const fresh = sign(now() - 5)
        await client.store(fresh)
        const tags = [['a', `${KIND}:${author.pubkey}:x`]]
        await client.store(author.sign({ kind: 5, tags, created_at: now() - 10 }))
        assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [KIND] }), [fresh.id])
        const newer = sign(now())
        await client.store(newer)
        assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [KIND] }), [newer.id])
      },
    ),

    check(
      'deletion by address leaves other addresses alone, and works for replaceable kinds',
      async relay => {
        const client = await relay.connect()
        const author = person()
        const created_at = now() - 20
        const other = author.sign({ kind: KIND, tags: [['d', 'xy']], created_at })
        const plain = author.sign({ kind: 10_777, created_at })
        await client.store(other, plain)
        const tags = [
          ['a', `${KIND}:${author.pubkey}:x`],
          ['a', `10777:${author.pubkey}:`],
        ]
        await client.store(author.sign({ kind: 5, tags }))
        assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [KIND, 10_777] }), [
          other.id,
        ])
      },
    ),

    check('a d with colons is one address', async relay => {
      const client = await relay.connect()
      const author = person()
      const page = author.sign({ kind: KIND, tags: [['d', 'a:b:c']], created_at: now() - 9 })
      await client.store(page)
      await client.store(author.sign({ kind: 5, tags: [['a', `${KIND}:${author.pubkey}:a:b:c`]] }))
      assert.deepEqual(await client.ids({ ids: [page.id] }), [])
    }),

    check('deleting a deletion has no effect', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = author.sign({ kind: 1, content: unique() })
      const request = author.sign({ kind: 5, tags: [['e', event.id]] })
      await client.store(event, request)
      await client.publish(author.sign({ kind: 5, tags: [['e', request.id]] }))
      await client.publish(event)
      assert.deepEqual(await client.ids({ ids: [event.id] }), [])
      assert.deepEqual(await client.ids({ ids: [request.id] }), [request.id])
    }),

    check('odd e and a tags do no harm', async relay => {
      const client = await relay.connect()
      const author = person()
      const kept = author.sign({ kind: 1, content: unique() })
      await client.store(kept)
      const tags = [
        ['e'],
        ['e', 'abc'],
        ['e', hex64()],
        ['a', ''],
        ['a', '::'],
        ['a', `1:${author.pubkey}:`],
      ]
      await client.publish(author.sign({ kind: 5, tags }))
      assert.deepEqual(await client.ids({ ids: [kept.id] }), [kept.id])
    }),

    check('the request goes to live subscriptions', async relay => {
      const client = await relay.connect()
      const author = person()
      await client.query('s', { kinds: [5], authors: [author.pubkey] })
      const request = author.sign({ kind: 5, tags: [['e', hex64()]] })
      await client.store(request)
      assert.equal((await client.live('s')).id, request.id)
    }),
  ],
}
