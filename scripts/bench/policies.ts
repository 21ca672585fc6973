/**
 * What each policy costs: `npm run bench:policies`. Prints CPU microseconds per event (median of several rounds) over notes
 * that all policies accept, of new authors each, with the lists and limits of a busy relay.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { NostrEvent } from '../../events/index.ts'
import type { Policy, PolicyContext } from '../../plugins/plugin.ts'
import {
  allowList,
  any,
  contentLimits,
  denyList,
  duplicateContent,
  hellthread,
  nip05Domains,
  not,
  pipe,
  proofOfWork,
  protectedEvents,
  rateLimit,
  readByMember,
  restrictedKinds,
  sizeLimits,
  tagLimits,
  timeWindow,
  webOfTrust,
  whenKinds,
} from '../../policies/index.ts'

const GOAL_US = 5
const ROUNDS = 15
const EVENTS = 20_000
const LISTED = 100_000
const NOW = 1_790_000_000

const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
const listed = Array.from({ length: LISTED }, () => hex(32))

/** A note of 280 characters with ten tags, as long notes are. */
const notes: NostrEvent[] = Array.from({ length: EVENTS }, (_, i) => {
  const text = `Note ${i} ${hex(8)}: today we look at relays, at streams and at what people say of them. `
  const content = text.repeat(4).slice(0, 280)
  return {
    id: createHash('sha256').update(content).digest('hex'),
    pubkey: listed[i % LISTED] ?? '',
    created_at: NOW,
    kind: 1,
    tags: [
      ['e', hex(32), '', 'root'],
      ['e', hex(32), '', 'reply'],
      ...Array.from({ length: 5 }, () => ['p', hex(32)]),
      ['t', 'nostr'],
      ['t', 'relays'],
      ['r', 'https://example.com'],
    ],
    content,
    sig: hex(64),
  }
})

const ctx = (i: number): PolicyContext => ({
  source: { type: 'IP4', info: `192.0.${i % 256}.${(i >> 8) % 256}` },
  authed: [listed[i % LISTED] ?? ''],
  receivedAt: NOW,
  signal,
})
const { signal } = new AbortController()
const contexts = notes.map((_, i) => ctx(i))

const members = new Set(listed)
const words = Array.from({ length: 20 }, (_, i) => `unwanted${i}*`)
const limits = () =>
  rateLimit({
    perIp: { ratePerSecond: 1000, burst: 1e6 },
    perPubkey: { ratePerSecond: 1000, burst: 1e6 },
    perKind: { notes: { kinds: [1], ratePerSecond: 1000, burst: 1e6 } },
  })
const follows = {
  events: async () => [
    { ...(notes[0] as NostrEvent), kind: 3, tags: listed.map(pubkey => ['p', pubkey]) },
  ],
}

const cases: [string, () => Policy][] = [
  [`allow-list, ${LISTED} pubkeys`, () => allowList({ pubkeys: listed })],
  [
    'deny-list, 100 pubkeys and kinds',
    () => denyList({ pubkeys: listed.slice(0, 100).map(flip), kinds: [4, 5] }),
  ],
  ['rate-limit, IP, pubkey and kind', limits],
  [
    'proof-of-work, 0 bits wanted of kind 1',
    () => proofOfWork({ minDifficulty: 16, perKind: { 1: 0 } }),
  ],
  ['proof-of-work', () => not(proofOfWork({ minDifficulty: 40 }), 'blocked: mined')],
  ['content-limits', () => contentLimits()],
  ['content-limits, 20 words', () => contentLimits({ words })],
  ['tag-limits', () => tagLimits()],
  ['hellthread', () => hellthread()],
  ['hellthread, more tags than mentions', () => hellthread({ maxMentions: 6 })],
  ['duplicate-content', () => duplicateContent({ windowSeconds: 0.000_001, minLength: 30 })],
  [
    'time-window',
    () => timeWindow({ maxAgeSeconds: 100, maxEphemeralAgeSeconds: 60, maxAheadSeconds: 100 }),
  ],
  ['size-limits', () => sizeLimits({ maxEventBytes: 65_536, maxTags: 2000, maxTagBytes: 1024 })],
  ['protected', () => protectedEvents()],
  ['web-of-trust', () => webOfTrust({ store: follows, roots: listed.slice(0, 1), hops: 1 })],
  [
    'nip05-domains, refusing',
    () => not(nip05Domains({ domains: ['localhost:1'] }), 'blocked: named'),
  ],
  [
    'pipe of four',
    () =>
      pipe(
        timeWindow({ maxAgeSeconds: 100, maxEphemeralAgeSeconds: 60, maxAheadSeconds: 100 }),
        hellthread(),
        tagLimits(),
        limits(),
      ),
  ],
  ['any of two', () => any(proofOfWork({ minDifficulty: 40 }), allowList({ pubkeys: listed }))],
  ['whenKinds of another kind', () => whenKinds([7], allowList({ kinds: [1] }))],
]
const visibles: [string, Policy][] = [
  ['restricted-kinds, visible', restrictedKinds({ kinds: [1] })],
  ['read-by-member, visible', readByMember({ isMember: pubkey => members.has(pubkey) })],
]

console.log(`CPU microseconds per event, goal at most ${GOAL_US}\n`)
for (const [name, make] of cases) {
  const policy = make()
  // What learns in the background has learnt by then.
  await policy.write?.(notes[0] as NostrEvent, contexts[0] as PolicyContext)
  await new Promise(resolve => setTimeout(resolve, 50))
  report(name, await measure(() => writeAll(policy)))
  await policy.close?.()
}
for (const [name, policy] of visibles)
  report(
    name,
    await measure(async () => {
      for (let i = 0; i < EVENTS; i++)
        policy.visible?.(notes[i] as NostrEvent, contexts[i] as PolicyContext)
    }),
  )

async function writeAll(policy: Policy): Promise<void> {
  let refused = 0
  for (let i = 0; i < EVENTS; i++) {
    const answer = policy.write?.(notes[i] as NostrEvent, contexts[i] as PolicyContext)
    // A policy that answers at once is not waited for, as in the relay.
    const decision = answer instanceof Promise ? await answer : answer
    if (decision?.action !== 'accept') refused += 1
  }
  if (refused > 0)
    throw new Error(`${policy.name} refused ${refused} events that are meant to pass`)
}

/** CPU time, so that what else the machine does counts less: the median of several rounds; the first ones only warm up. */
async function measure(round: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < ROUNDS + 3; i++) {
    const began = process.cpuUsage()
    await round()
    const { user, system } = process.cpuUsage(began)
    if (i >= 3) times.push((user + system) / EVENTS)
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN
}

function report(name: string, us: number): void {
  console.log(`${us.toFixed(3).padStart(8)}  ${name}${us > GOAL_US ? '   over the goal' : ''}`)
}

function flip(pubkey: string): string {
  return pubkey.replace(/^./, first => (first === 'f' ? '0' : 'f'))
}
