import assert from 'node:assert/strict'
import { check, now, type RelayUnderTest, type Suite, unique } from './check.ts'
import { person } from './client.ts'

/** A word that no language has, so that a shared relay knows it from here only. */
const word = () => `w${unique()}`

async function notes(relay: RelayUnderTest, ...contents: string[]) {
  const client = await relay.connect()
  const author = person()
  const at = now() - contents.length
  const events = contents.map((content, i) => author.sign({ kind: 1, content, created_at: at + i }))
  await client.store(...events)
  return { client, author, ids: events.map(event => event.id) }
}

/** Search. Source: NIP-50. */
export const nip50: Suite = {
  name: 'nip50',
  nips: [50],
  checks: [
    check('a word of the content finds the event', async relay => {
      const one = word()
      const { client, ids } = await notes(relay, `the best ${one} there is`, 'something else')
      assert.deepEqual(await client.ids({ search: one }), [ids[0]])
    }),
    check('case does not matter', async relay => {
      const one = word()
      const { client, ids } = await notes(relay, `Hello ${one.toUpperCase()}!`)
      assert.deepEqual(await client.ids({ search: one }), [ids[0]])
    }),
    check('the other conditions of the filter hold too', async relay => {
      const one = word()
      const { client, author, ids } = await notes(relay, one, `${one} ${one}`)
      const elsewhere = person().sign({ kind: 1, content: one })
      await client.store(elsewhere)
      assert.equal((await client.ids({ search: one, authors: [author.pubkey] })).length, 2)
      assert.deepEqual(await client.ids({ search: one, kinds: [7] }), [])
      assert.deepEqual(await client.ids({ search: one, ids: [ids[1]] }), [ids[1]])
      assert.deepEqual(await client.ids({ search: one, since: now() + 60 }), [])
    }),
    check('the better match comes first, and limit counts after sorting', async relay => {
      const one = word()
      const filler = 'about many other things that one could also say at some length'.repeat(3)
      const { client, ids } = await notes(relay, `${one} ${one} ${one}`, `${filler} ${one}`)
      assert.deepEqual(await client.ids({ search: one }), ids)
      assert.deepEqual(await client.ids({ search: one, limit: 1 }), [ids[0]])
    }),
    check('extensions that the relay does not know are ignored', async relay => {
      const one = word()
      const { client, ids } = await notes(relay, `a ${one}`)
      assert.deepEqual(await client.ids({ search: `${one} nosuchthing:x` }), [ids[0]])
      assert.deepEqual(await client.ids({ search: `include:spam ${one}` }), [ids[0]])
    }),
    check("the search engine's own syntax is only text", async relay => {
      const client = await relay.connect()
      for (const search of [
        '"',
        '*',
        'a AND',
        'NEAR(',
        '(',
        'a:b',
        '^',
        "'; DROP TABLE x; --",
        '-',
        '',
      ])
        await client.ids({ search, limit: 1 })
      await client.alive()
    }),
    check('what is deleted or replaced is not found', async relay => {
      const one = word()
      const { client, author, ids } = await notes(relay, one)
      await client.store(author.sign({ kind: 5, tags: [['e', String(ids[0])]] }))
      assert.deepEqual(await client.ids({ search: one }), [])
      await client.store(author.sign({ kind: 0, content: one, created_at: now() - 9 }))
      await client.store(author.sign({ kind: 0, content: 'another' }))
      assert.deepEqual(await client.ids({ search: one }), [])
    }),
    check('several search filters are a union', async relay => {
      const [one, two] = [word(), word()]
      const { client, ids } = await notes(relay, one, two)
      assert.deepEqual((await client.ids({ search: one }, { search: two })).sort(), [...ids].sort())
    }),
    check('private events are not found by their words', async relay => {
      const one = word()
      const client = await relay.connect()
      const event = person().sign({ kind: 4, content: one, tags: [['p', person().pubkey]] })
      const { accepted } = await client.publish(event)
      if (accepted) assert.deepEqual(await client.ids({ search: one }), [])
    }),
  ],
}
