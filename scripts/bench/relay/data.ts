import { createHash } from 'node:crypto'
import { kinds, type NostrEvent } from '../../../events/index.ts'
import { loadCurve } from '../../../relay/curve.ts'
import { createSigner } from '../../../relay/signer.ts'

const WORDS =
  'relay stream nostr live chat goal replay zap sats note signal frame audio video late night code music game clip'.split(
    ' ',
  )
const AUTHORS = 200
const ROOMS = 50

/** Signed events as they lie in a large relay: many authors, some busy rooms, times over a month. */
export function benchEvents() {
  const curve = loadCurve()
  const signers = Array.from({ length: AUTHORS }, (_, i) =>
    createSigner(createHash('sha256').update(`bench-key-${i}`).digest(), curve),
  )
  const now = Math.floor(Date.now() / 1000) - 60
  const random = sequence()
  const text = (words: number) =>
    Array.from({ length: words }, () => WORDS[random(WORDS.length)]).join(' ')
  const signer = () => signers[random(AUTHORS)] as (typeof signers)[number]
  const rooms = Array.from(
    { length: ROOMS },
    (_, i) => `${kinds.LiveStream}:${signers[i % AUTHORS]?.self}:room-${i}`,
  )
  let made = 0

  return {
    authors: signers.map(({ self }) => self),
    rooms,
    pick: <T>(list: readonly T[]): T => list[random(list.length)] as T,
    notes: (count: number): NostrEvent[] =>
      Array.from({ length: count }, () =>
        signer().sign({
          kind: 1,
          created_at: now - random(30 * 86_400),
          tags:
            random(3) > 0
              ? []
              : [
                  ['e', createHash('sha256').update(`e${made}`).digest('hex'), '', 'root'],
                  ['p', signer().self],
                ],
          content: `${text(8 + random(40))} #${made++}`,
        }),
      ),
    chat: (count: number): NostrEvent[] =>
      Array.from({ length: count }, () =>
        signer().sign({
          kind: kinds.LiveChat,
          created_at: now - random(86_400),
          tags: [['a', rooms[random(ROOMS)] ?? '', 'wss://relay.example.com', 'root']],
          content: `${text(2 + random(14))} #${made++}`,
        }),
      ),
    streams: (count: number): NostrEvent[] =>
      Array.from({ length: count }, () =>
        signer().sign({
          kind: kinds.LiveStream,
          created_at: now - random(86_400),
          tags: [
            ['d', `stream-${made++}`],
            ['title', text(5)],
            ['summary', text(20)],
            ['image', `https://example.com/thumb/${made}.jpg`],
            ['streaming', `https://example.com/hls/${made}/live.m3u8`],
            ['starts', String(now - random(86_400))],
            ['status', ['live', 'ended', 'planned'][random(3)] ?? 'live'],
            ['current_participants', String(random(500))],
            ['p', signer().self, '', 'Host'],
            ['t', text(1)],
          ],
          content: '',
        }),
      ),
    /** Messages for one room, each with its number in the content. */
    talk: (room: string, count: number): NostrEvent[] =>
      Array.from({ length: count }, (_, i) =>
        signer().sign({
          kind: kinds.LiveChat,
          created_at: Math.floor(Date.now() / 1000),
          tags: [['a', room, '', 'root']],
          content: `message #${String(i).padStart(6, '0')} to everyone in this room`,
        }),
      ),
  }
}
export type BenchEvents = ReturnType<typeof benchEvents>

/** The same numbers in each run (xorshift32). */
function sequence(): (below: number) => number {
  let state = 0x9e3779b9
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
