/**
 * A grammar fuzzer over client messages: 2,000 cases, or SLUICE_FUZZ_CASES. The relay answers in the protocol's
 * words, never with an internal error, stays alive, and gives back what it took.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect, type Message, pause, person } from '../conformance/client.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'

const CASES = Number(process.env.SLUICE_FUZZ_CASES ?? 2000)
const BATCH = 20
/** A run that failed names its seed; given again, it fails again. */
const SEED = Number(process.env.SLUICE_FUZZ_SEED ?? Date.now() % 2 ** 31)
const MAX_GROWTH_BYTES = 200e6

const people = [person(), person(), person()]
const hex = fc.constantFrom(...people.map(who => who.pubkey), 'f'.repeat(64), '0'.repeat(64))
const address = fc.tuple(fc.constantFrom(0, 1, 5, 30_311), hex).map(([k, p]) => `${k}:${p}:d`)
const kind = fc.constantFrom(
  ...[0, 1, 3, 4, 5, 6, 7, 62, 1059, 1311, 5610, 5611, 5612, 5615, 5650, 5651],
  ...[10_002, 20_001, 22_242, 27_235, 30_311, 31_337, 65_535],
)
const odd = fc.oneof(
  fc.constantFrom(
    null,
    true,
    -1,
    1.5,
    1e300,
    -0,
    '',
    '__proto__',
    'constructor',
    [],
    {},
    [[]],
    [{}],
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.jsonValue({ maxDepth: 3 }),
)
const now = Math.floor(Date.now() / 1000)
const tag = fc.oneof(
  fc.tuple(fc.constantFrom('e', 'p', 'E', 'q'), hex),
  fc.tuple(fc.constant('a'), address),
  fc.constantFrom(
    ['-'],
    ['d', ''],
    ['expiration', '1'],
    ['expiration', `${now + 1}`],
    ['relay', 'ALL_RELAYS'],
    ['status', 'live'],
    ['price', '10', 'second', 'CREDIT'],
    ['stream_id', 'abcdefghijklmnop'],
    ['rate', '10', 'second'],
    ['total_sent', '9'.repeat(40)],
    ['sequence', '-1'],
  ),
  fc.array(fc.string({ unit: 'binary', maxLength: 10 }), { maxLength: 4 }),
)
const event = fc
  .record({
    who: fc.constantFrom(...people),
    kind,
    created_at: fc.oneof(fc.constant(now), fc.integer({ min: 0, max: 2 ** 33 })),
    tags: fc.array(tag, { maxLength: 6 }),
    content: fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constant('x'.repeat(3000)),
    ),
  })
  // A lone surrogate cannot be signed: it has no UTF-8.
  .filter(({ tags }) => tags.flat().every(item => item.isWellFormed()))
  .map(({ who, tags, ...fields }) => who.sign({ ...fields, tags: tags.map(items => [...items]) }))
const field = fc.constantFrom(
  'id',
  'pubkey',
  'created_at',
  'kind',
  'tags',
  'content',
  'sig',
  'more',
)
const bentEvent = fc
  .tuple(event, field, odd)
  .map(([one, name, value]) => ({ ...one, [name]: value }))
const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: odd })
const filter = fc.record(
  {
    ids: mostly(fc.array(mostly(hex), { maxLength: 4 })),
    authors: mostly(fc.array(hex, { maxLength: 4 })),
    kinds: mostly(fc.array(mostly(kind), { maxLength: 4 })),
    '#p': mostly(fc.array(hex, { maxLength: 3 })),
    '#a': mostly(fc.array(address, { maxLength: 3 })),
    '#d': mostly(fc.array(fc.string({ unit: 'binary', maxLength: 5 }), { maxLength: 3 })),
    since: mostly(fc.nat()),
    until: mostly(fc.nat()),
    limit: mostly(fc.integer({ min: 0, max: 1000 })),
    search: mostly(fc.string({ maxLength: 20 })),
    '#long': odd,
  },
  { requiredKeys: [] },
)
const id = mostly(fc.constantFrom('a', 'b', 'c', 'é'.repeat(30), 'x'.repeat(64), '__proto__'))
const message: fc.Arbitrary<unknown[]> = fc.oneof(
  fc.tuple(fc.constantFrom('EVENT', 'AUTH'), fc.oneof(event, bentEvent, odd)),
  fc
    .tuple(fc.constantFrom('REQ', 'COUNT'), id, fc.array(mostly(filter), { maxLength: 4 }))
    .map(([verb, sub, filters]) => [verb, sub, ...filters]),
  fc.tuple(fc.constant('CLOSE'), id),
  fc.tuple(fc.constantFrom('NEG-OPEN', 'NEG-MSG'), id, mostly(filter), mostly(fc.constant('61'))),
  fc.array(odd, { maxLength: 4 }),
)
/** Text of a message, sometimes with a piece cut out, doubled or changed. */
const text = fc
  .tuple(
    message,
    fc.option(fc.tuple(fc.nat(), fc.nat(60), fc.string({ maxLength: 3 })), { freq: 4 }),
  )
  .map(([value, cut]) => {
    const json = JSON.stringify(value)
    if (!cut) return json
    const at = cut[0] % json.length
    return json.slice(0, at) + cut[2] + json.slice(at + cut[1])
  })

/** The protocol's form of everything that a relay says. */
function isWellFormed(answer: Message): boolean {
  const [type, one, two, three] = answer
  const texts = (...items: unknown[]) => items.every(item => typeof item === 'string')
  if (type === 'OK')
    return (
      texts(one, three) && typeof two === 'boolean' && (two || /^[a-z-]+: ./s.test(String(three)))
    )
  if (type === 'CLOSED' || type === 'NEG-ERR') return texts(one) && /^[a-z-]+: ./s.test(String(two))
  if (type === 'EVENT' || type === 'COUNT') return texts(one) && typeof two === 'object'
  return ['EOSE', 'NOTICE', 'AUTH', 'NEG-MSG'].includes(type) && texts(one)
}

async function memoryOf(relay: RelayProcess): Promise<number> {
  const metrics = await (await fetch(`${relay.http}/metrics`)).text()
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1])
}

const test = suite<{ relay: RelayProcess; dir: string }>('fuzz')
test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-fuzz-'))
  context.relay = await spawnRelay(['--set', `db=${context.dir}`])
})
test.after(async ({ relay, dir }) => {
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

test(`${CASES} messages without a crash, an internal error or a leak`, async ({ relay }) => {
  let client: Client = await connect(relay.url)
  let fence = 0
  let warm = 0
  const runs = Math.ceil(CASES / BATCH)
  const batch = fc.array(text, { minLength: BATCH, maxLength: BATCH })
  const details = await fc.check(
    fc.asyncProperty(batch, async texts => {
      client.inbox.length = 0
      for (const one of texts) client.raw(one)
      const last = `fence${fence++}`
      await client.query(last, { limit: 0, ids: ['0'.repeat(64)] })
      client.send('CLOSE', last)
      for (const answer of client.inbox) {
        assert.ok(isWellFormed(answer), JSON.stringify(answer))
        assert.not.match(JSON.stringify(answer), /internal error|could not do this now/)
      }
      if (fence % 10 === 0) {
        client.close()
        client = await connect(relay.url)
      }
      if (fence === Math.ceil(runs / 2)) warm = await memoryOf(relay)
    }),
    { numRuns: runs, endOnFailure: true, seed: SEED },
  )
  if (details.failed)
    throw new Error(
      `seed ${details.seed}, after ${details.numRuns} batches: ${details.errorInstance}`,
    )
  client.close()
  await pause(200)
  assert.is(relay.child.exitCode, null)
  const metrics = await (await fetch(`${relay.http}/metrics`)).text()
  assert.match(metrics, /^sluice_connections 0$/m)
  assert.ok((await memoryOf(relay)) - warm < MAX_GROWTH_BYTES, 'memory grew')
  assert.not.match(relay.stderr(), /"level":50/)
})

test.run()
