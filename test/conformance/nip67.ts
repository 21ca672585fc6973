import assert from 'node:assert/strict'
import { check, hex64, now, type RelayUnderTest, type Suite } from './check.ts'
import { type Message, person } from './client.ts'

function hints(eose: Message): unknown[] {
  if (eose[2] === undefined) return []
  assert.ok(Array.isArray(eose[2]), 'the third element of EOSE is a list')
  assert.ok(eose[2].every(hint => typeof hint === 'string'))
  return eose[2]
}

async function fiveNotes(relay: RelayUnderTest) {
  const client = await relay.connect()
  const author = person()
  // One clock for all: a second that passes in between would give two notes the same time.
  const newest = now()
  for (let i = 0; i < 5; i++)
    await client.store(author.sign({ kind: 1, content: `${i}`, created_at: newest - i }))
  return { client, authors: [author.pubkey] }
}

/** Whether EOSE says that it was all. Source: NIP-67. */
export const nip67: Suite = {
  name: 'nip67',
  nips: [67],
  checks: [
    check('finish comes when every match was sent', async relay => {
      const { client, authors } = await fiveNotes(relay)
      assert.ok(hints((await client.query('all', { authors })).eose).includes('finish'))
      assert.ok(hints((await client.query('room', { authors, limit: 50 })).eose).includes('finish'))
      assert.ok(hints((await client.query('none', { ids: [hex64()] })).eose).includes('finish'))
    }),
    check('finish does not come when limit cut the answer', async relay => {
      const { client, authors } = await fiveNotes(relay)
      for (const limit of [0, 1, 4])
        assert.ok(!hints((await client.query('cut', { authors, limit })).eose).includes('finish'))
    }),
    check('more never comes when there are no more', async relay => {
      const { client, authors } = await fiveNotes(relay)
      for (const limit of [5, 6])
        assert.ok(!hints((await client.query('q', { authors, limit })).eose).includes('more'))
    }),
    check('with several filters, one that is cut keeps finish back', async relay => {
      const { client, authors } = await fiveNotes(relay)
      const { eose } = await client.query('q', { ids: [hex64()] }, { authors, limit: 2 })
      assert.ok(!hints(eose).includes('finish'))
    }),
    check('a client that pages until finish has everything', async relay => {
      const { client, authors } = await fiveNotes(relay)
      const seen = new Set<string>()
      let until = now() + 60
      for (let page = 0; page < 10; page++) {
        const { events, eose } = await client.query('page', { authors, limit: 2, until })
        for (const event of events) seen.add(event.id)
        if (hints(eose).includes('finish')) break
        until = Math.min(...events.map(event => event.created_at)) - (page % 2)
      }
      assert.equal(seen.size, 5)
    }),
    check('the hint says nothing of live events', async relay => {
      const client = await relay.connect()
      const author = person()
      await client.query('s', { authors: [author.pubkey] })
      await client.store(author.sign({ kind: 1 }))
      await client.live('s')
    }),
  ],
}
