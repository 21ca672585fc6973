import assert from 'node:assert/strict'
import { type Event, nip77 as sync } from 'nostr-tools'
import { check, now, type RelayUnderTest, type Suite, unique } from './check.ts'
import { type Client, type Message, person } from './client.ts'

/** Runs a whole reconciliation of `mine` against what the relay has for the filter. */
async function reconcile(client: Client, filter: object, mine: readonly Event[], frame?: number) {
  const storage = new sync.NegentropyStorageVector()
  for (const event of mine) storage.insert(event.created_at, event.id)
  storage.seal()
  const negentropy = new sync.Negentropy(storage, frame)
  const id = unique()
  const have: string[] = []
  const need: string[] = []
  let message: string | null = negentropy.initiate()
  client.send('NEG-OPEN', id, filter, message)
  while (message !== null) {
    const answer: Message = await client.next(
      heard => ['NEG-MSG', 'NEG-ERR'].includes(heard[0]) && heard[1] === id,
      'NEG-MSG',
    )
    assert.equal(answer[0], 'NEG-MSG', String(answer[2]))
    message = negentropy.reconcile(
      String(answer[2]),
      one => have.push(one),
      one => need.push(one),
    )
    if (message !== null) client.send('NEG-MSG', id, message)
  }
  client.send('NEG-CLOSE', id)
  return { have: have.sort(), need: need.sort() }
}

async function stored(relay: RelayUnderTest, total: number) {
  const client = await relay.connect()
  const author = person()
  const events = Array.from({ length: total }, (_, i) =>
    author.sign({ kind: 1, content: `${i}`, created_at: now() - (i >> 2) }),
  )
  await client.store(...events)
  return { client, author, events, filter: { authors: [author.pubkey] } }
}

const idsOf = (events: readonly Event[]) => events.map(event => event.id).sort()

async function error(client: Client, id: string): Promise<string> {
  const answer = await client.next(m => m[0] === 'NEG-ERR' && m[1] === id, 'NEG-ERR')
  return String(answer[2])
}

/** Negentropy. Source: NIP-77 and its appendix. */
export const nip77: Suite = {
  name: 'nip77',
  nips: [77],
  checks: [
    check('who has nothing needs everything', async relay => {
      const { client, events, filter } = await stored(relay, 20)
      assert.deepEqual(await reconcile(client, filter, []), { have: [], need: idsOf(events) })
    }),
    check('who has the same needs nothing', async relay => {
      const { client, events, filter } = await stored(relay, 20)
      assert.deepEqual(await reconcile(client, filter, events), { have: [], need: [] })
    }),
    check('both sides learn their differences, in many ranges and small frames', async relay => {
      const { client, author, events, filter } = await stored(relay, 120)
      const own = Array.from({ length: 30 }, (_, i) =>
        author.sign({ kind: 1, content: `own ${i}`, created_at: now() - i }),
      )
      const mine = [...events.filter((_, i) => i % 3 > 0), ...own]
      const missing = events.filter((_, i) => i % 3 === 0)
      const expected = { have: idsOf(own), need: idsOf(missing) }
      assert.deepEqual(await reconcile(client, filter, mine), expected)
      assert.deepEqual(await reconcile(client, filter, mine, 4096), expected)
    }),
    check('the filter holds', async relay => {
      const { client, author, filter } = await stored(relay, 5)
      const other = author.sign({ kind: 7, content: unique() })
      await client.store(other)
      const { need } = await reconcile(client, { ...filter, kinds: [7] }, [])
      assert.deepEqual(need, [other.id])
    }),
    check('ids are apart from those of REQ', async relay => {
      const { client, author, filter } = await stored(relay, 3)
      await client.query('same', filter)
      const storage = new sync.NegentropyStorageVector()
      storage.seal()
      client.send('NEG-OPEN', 'same', filter, new sync.Negentropy(storage).initiate())
      await client.next(m => m[0] === 'NEG-MSG' && m[1] === 'same', 'NEG-MSG')
      client.send('NEG-CLOSE', 'same')
      await client.store(author.sign({ kind: 1, content: 'live' }))
      await client.live('same')
    }),
    check('an unknown protocol version is answered with ours', async relay => {
      const client = await relay.connect()
      client.send('NEG-OPEN', 'v', { kinds: [1] }, '62')
      const answer = await client.next(m => /^NEG-/.test(m[0]) && m[1] === 'v', 'NEG-MSG')
      if (answer[0] === 'NEG-MSG') assert.equal(answer[2], '61')
    }),
    check('garbage is answered with NEG-ERR, and the connection lives', async relay => {
      const client = await relay.connect()
      for (const [i, message] of [
        '',
        'xyz',
        '61ff',
        `61${'ff'.repeat(40)}`,
        '6100028080',
      ].entries()) {
        client.send('NEG-OPEN', `g${i}`, { kinds: [1], authors: [person().pubkey] }, message)
        const answer = await client.next(
          m => m[0] === 'NOTICE' || (/^NEG-/.test(m[0]) && m[1] === `g${i}`),
          `answer to "${message}"`,
        )
        assert.ok(answer)
      }
      client.send('NEG-OPEN', 'f', { ids: ['short'] }, '61')
      await client.next(m => m[0] === 'NOTICE' || m[1] === 'f', 'refusal of a bad filter')
      await client.alive()
    }),
    check('NEG-MSG for a session that is not open gives NEG-ERR', async relay => {
      const client = await relay.connect()
      client.send('NEG-MSG', 'never', '61')
      assert.match(await error(client, 'never'), /^[a-z-]+: ?\S/)
    }),
    check('private events do not show, not even as ids', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = author.sign({ kind: 1059, tags: [['p', person().pubkey]] })
      await client.store(event)
      const { need } = await reconcile(client, { authors: [author.pubkey] }, [])
      assert.deepEqual(need, [])
    }),
  ],
}
