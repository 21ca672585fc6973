import assert from 'node:assert/strict'
import { check, now, unique } from './check.ts'
import { person } from './client.ts'

/** Replaceable and addressable kinds differ only in what else belongs to the key. */
const forms = [
  { name: 'replaceable', kind: 10_777, tags: [] },
  { name: 'metadata', kind: 0, tags: [] },
  { name: 'follow list', kind: 3, tags: [] },
  { name: 'addressable', kind: 31_777, tags: [['d', unique()]] },
]

export const kindChecks = [
  ...forms.flatMap(({ name, kind, tags }) => [
    check(`${name}: the newer replaces the older`, async relay => {
      const client = await relay.connect()
      const author = person()
      const [old, fresh] = [now() - 10, now() - 5].map(created_at =>
        author.sign({ kind, tags, created_at }),
      )
      assert.ok(old && fresh)
      await client.store(old, fresh)
      assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [kind] }), [fresh.id])
      assert.deepEqual(await client.ids({ ids: [old.id] }), [])
    }),
    check(`${name}: an older one changes nothing`, async relay => {
      const client = await relay.connect()
      const author = person()
      const fresh = author.sign({ kind, tags, created_at: now() - 5 })
      await client.store(fresh)
      await client.publish(author.sign({ kind, tags, created_at: now() - 10 }))
      assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [kind] }), [fresh.id])
    }),
    check(`${name}: at equal times the lowest id wins, whatever the order`, async relay => {
      const client = await relay.connect()
      const created_at = now() - 5
      for (const order of [1, -1]) {
        const author = person()
        const both = ['a', 'b'].map(content => author.sign({ kind, tags, created_at, content }))
        both.sort((x, y) => (x.id < y.id ? order : -order))
        for (const event of both) await client.publish(event)
        const [lowest] = both.map(event => event.id).sort()
        assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [kind] }), [lowest])
      }
    }),
    check(`${name}: another author's is another one`, async relay => {
      const client = await relay.connect()
      const both = [person(), person()].map(author => author.sign({ kind, tags }))
      await client.store(...both)
      const authors = both.map(event => event.pubkey)
      const found = await client.ids({ authors, kinds: [kind] })
      assert.deepEqual(found.sort(), both.map(event => event.id).sort())
    }),
  ]),

  check('addressable: another d is another one, also a missing and an empty d', async relay => {
    const client = await relay.connect()
    const author = person()
    const sign = (tags: string[][], created_at = now() - 5) =>
      author.sign({ kind: 31_777, tags, created_at })
    const [one, two] = [sign([['d', 'one']]), sign([['d', 'two']])]
    await client.store(one, two)
    assert.equal((await client.ids({ authors: [author.pubkey], kinds: [31_777] })).length, 2)
    assert.deepEqual(await client.ids({ authors: [author.pubkey], '#d': ['two'] }), [two.id])
    await client.store(sign([['d', '']]))
    const without = sign([], now())
    const { accepted } = await client.publish(without)
    const all = await client.ids({ authors: [author.pubkey], kinds: [31_777] })
    assert.equal(all.length, 3)
    if (accepted) assert.ok(all.includes(without.id))
  }),

  check('addressable: the first d counts', async relay => {
    const client = await relay.connect()
    const author = person()
    const sign = (tags: string[][], created_at: number) =>
      author.sign({ kind: 31_777, tags, created_at })
    const old = sign([['d', 'x']], now() - 9)
    const fresh = sign(
      [
        ['d', 'x'],
        ['d', 'y'],
      ],
      now() - 5,
    )
    await client.store(old, fresh)
    assert.deepEqual(await client.ids({ authors: [author.pubkey], kinds: [31_777] }), [fresh.id])
  }),

  check('a newer version reaches live subscriptions, an older one does not', async relay => {
    const client = await relay.connect()
    const author = person()
    await client.query('s', { authors: [author.pubkey] })
    const fresh = author.sign({ kind: 10_777, created_at: now() - 1 })
    await client.store(fresh)
    await client.publish(author.sign({ kind: 10_777, created_at: now() - 9 }))
    assert.equal((await client.live('s')).id, fresh.id)
    await client.quiet('s')
  }),

  check('regular events of one author and kind are all kept', async relay => {
    const client = await relay.connect()
    const author = person()
    const events = [1, 2, 3].map(i => author.sign({ kind: 1, content: `${i}` }))
    await client.store(...events)
    assert.equal((await client.ids({ authors: [author.pubkey], kinds: [1] })).length, 3)
  }),

  check('ephemeral events go to those who listen and are not stored', async relay => {
    const [reader, writer] = [await relay.connect(), await relay.connect()]
    const author = person()
    await reader.query('s', { kinds: [20_777], authors: [author.pubkey] })
    const event = author.sign({ kind: 20_777 })
    await writer.publish(event)
    assert.equal((await reader.live('s')).id, event.id)
    assert.deepEqual(await writer.ids({ ids: [event.id] }), [])
  }),
]
