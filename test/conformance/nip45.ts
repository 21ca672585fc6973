import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { check, hex64, now, type RelayUnderTest, type Suite, unique } from './check.ts'
import { person } from './client.ts'

/** The registers of NIP-45 for these authors, and a first tag value. */
function registers(value: string, pubkeys: readonly string[]): string {
  const hex = /^[0-9a-f]{64}$/.test(value)
    ? value
    : (/^\d+:([0-9a-f]{64}):/.exec(value)?.[1] ?? createHash('sha256').update(value).digest('hex'))
  const offset = Number.parseInt(hex.charAt(32), 16) + 8
  const hll = Buffer.alloc(256)
  for (const pubkey of pubkeys) {
    const bytes = Buffer.from(pubkey, 'hex')
    const index = bytes[offset] ?? 0
    const rest = [...bytes.subarray(offset + 1)]
      .map(byte => byte.toString(2).padStart(8, '0'))
      .join('')
    const zeros = rest.indexOf('1') < 0 ? rest.length : rest.indexOf('1')
    hll[index] = Math.max(hll[index] ?? 0, zeros + 1)
  }
  return hll.toString('hex')
}

/** Seven people react to the same thing, one of them twice. */
async function reactions(relay: RelayUnderTest, name: string, value: string) {
  const client = await relay.connect()
  const people = Array.from({ length: 7 }, () => person())
  for (const who of people) await client.store(who.sign({ kind: 7, tags: [[name, value]] }))
  const [first] = people
  assert.ok(first)
  await client.store(first.sign({ kind: 7, tags: [[name, value]], content: 'again' }))
  return { client, pubkeys: people.map(who => who.pubkey) }
}

/** The answer's hll is what the text says; a relay may leave it out ("may return"). */
async function sameRegisters(relay: RelayUnderTest, name: string, value: string) {
  const { client, pubkeys } = await reactions(relay, name, value)
  const answer = await client.count({ kinds: [7], [`#${name}`]: [value] })
  assert.equal(answer.count, 8)
  if (answer.hll !== undefined) assert.equal(answer.hll, registers(value, pubkeys))
  return answer
}

/** Counts, with HyperLogLog. Source: NIP-45. */
export const nip45: Suite = {
  name: 'nip45',
  nips: [45],
  checks: [
    check('COUNT counts what REQ would find', async relay => {
      const client = await relay.connect()
      const author = person()
      for (const kind of [1, 1, 7]) await client.store(author.sign({ kind, content: unique() }))
      assert.equal((await client.count({ authors: [author.pubkey] })).count, 3)
      assert.equal((await client.count({ authors: [author.pubkey], kinds: [1] })).count, 2)
      assert.equal((await client.count({ authors: [author.pubkey], since: now() + 60 })).count, 0)
      assert.equal((await client.count({ authors: [person().pubkey] })).count, 0)
    }),

    check('several filters count each event once', async relay => {
      const client = await relay.connect()
      const author = person()
      for (const kind of [1, 7]) await client.store(author.sign({ kind, content: unique() }))
      const { count } = await client.count(
        { authors: [author.pubkey] },
        { authors: [author.pubkey], kinds: [1] },
      )
      assert.equal(count, 2)
    }),

    check('COUNT opens no subscription and leaves those of its id alone', async relay => {
      const client = await relay.connect()
      const author = person()
      await client.query('same', { authors: [author.pubkey] })
      client.send('COUNT', 'same', { authors: [author.pubkey] })
      client.send('COUNT', 'other', { authors: [author.pubkey] })
      await client.next(message => message[0] === 'COUNT' && message[1] === 'other', 'COUNT')
      await client.store(author.sign({ kind: 1, content: unique() }))
      await client.live('same')
      await client.quiet('other')
    }),

    check('deleted and replaced events do not count', async relay => {
      const client = await relay.connect()
      const author = person()
      const event = author.sign({ kind: 1, content: unique() })
      await client.store(event, author.sign({ kind: 5, tags: [['e', event.id]] }))
      await client.store(author.sign({ kind: 0, created_at: now() - 5 }), author.sign({ kind: 0 }))
      assert.equal((await client.count({ authors: [author.pubkey], kinds: [0, 1] })).count, 1)
    }),

    check('a refusal is CLOSED', async relay => {
      const client = await relay.connect()
      await client.closedFor('COUNT', 'bad', { ids: ['abcd'] })
    }),

    check('hll: by event id', relay => sameRegisters(relay, 'e', hex64()).then(() => undefined)),
    check('hll: by pubkey', relay => sameRegisters(relay, 'p', hex64()).then(() => undefined)),
    check('hll: by address', async relay => {
      await sameRegisters(relay, 'a', `30023:${hex64()}:${unique()}`)
    }),
    check('hll: by any other text, hashed', async relay => {
      await sameRegisters(relay, 't', unique())
    }),
    check('hll is 512 hex characters, and there is one for reactions', async relay => {
      const { hll } = await sameRegisters(relay, 'e', hex64())
      assert.match(String(hll), /^[0-9a-f]{512}$/)
    }),
    check('without a tag there is no hll', async relay => {
      const client = await relay.connect()
      const { hll } = await client.count({ kinds: [7], authors: [hex64()] })
      assert.equal(hll, undefined)
    }),
  ],
}
