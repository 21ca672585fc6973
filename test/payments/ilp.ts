import { createHash, createHmac, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode as toToon } from '@toon-format/toon'
import { nip44 } from 'nostr-tools'
import { kinds, type NostrEvent, tagValue } from '../../events/index.ts'
import { streams } from '../../plugins/live-stream/stream.ts'
import paymentStream from '../../plugins/payment-stream/index.ts'
import { type Person, startRelay, type TestRelay } from '../harness.ts'
import { liveStream } from './bench.ts'

export const HUB_TOKEN = 'hub-token-0123456789'
export const ALICE_TOKEN = 'alice-token-0123456789'
export const ADDRESS = 'test.hub.sluice'

export const ilpSettings = [
  'paymentStream.rails=["credit","ilp"]',
  `paymentStream.ilp.address=${ADDRESS}`,
  'paymentStream.ilp.maxPacketAmount=5000',
]

/** A stream at 10 USD units a second that is live, so that time runs. */
export const usdStream = (host: string) =>
  liveStream(
    host,
    { amount: 10n, unit: 'second' },
    { price: { amount: 10n, unit: 'second', asset: 'USD' }, liveSince: Date.now() },
  )

export interface IlpRelay extends TestRelay {
  readonly self: string
  readonly stream: ReturnType<typeof usdStream>
}

/** The real relay with the ilp rail, a live stream, a peer `hub` and a peer `alice` that is the viewer `direct`. */
export async function startIlpRelay(
  options: { direct?: string; set?: string[] } = {},
): Promise<IlpRelay> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-ilp-'))
  const direct = options.direct ?? 'd'.repeat(64)
  await writeFile(join(dir, 'ilp.peers'), `hub ${HUB_TOKEN}\nalice ${ALICE_TOKEN} ${direct}\n`)
  await chmod(join(dir, 'ilp.peers'), 0o600)
  const set = [...ilpSettings, ...(options.set ?? [])]
  const relay = await startRelay({ plugins: [paymentStream], dir, set })
  const stream = usdStream('a'.repeat(64))
  await relay.relay.store.transaction(tx => streams.put(tx, stream.address, stream))
  return {
    ...relay,
    self: relay.relay.self,
    stream,
    async stop() {
      await relay.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const sha256 = (data: Uint8Array | string): Buffer => createHash('sha256').update(data).digest()

/**
 * A payer written from docs/events.md alone: its packets are made by the npm libraries and by hand, not by our SDK, so
 * that the two sides of our own code cannot agree on a mistake.
 */
export function payer(who: Person, self: string, address: string) {
  const streamId = randomBytes(16).toString('hex')
  const encode = { json: JSON.stringify, toon: (event: object) => toToon(event) }
  return {
    open: (more: string[][] = []): NostrEvent =>
      who.sign({
        kind: kinds.StreamOpen,
        tags: [
          ['stream_id', streamId],
          ['p', self],
          ['a', address],
          ['purpose', 'video_access'],
          ['rate', '10', 'second'],
          ...more,
        ],
      }),
    money: (
      session: string,
      { sequence = 1n, total = 0n, min = undefined as bigint | undefined, more = [] as string[][] },
    ): NostrEvent =>
      who.sign({
        kind: kinds.StreamMoney,
        tags: [
          ['e', session, '', 'open'],
          ['stream_id', streamId],
          ['p', self],
          ['a', address],
          ['sequence', String(sequence)],
          ['total_sent', String(total)],
          ...(min === undefined ? [] : [['min_receive', String(min)]]),
          ...more,
        ],
      }),
    close: (session: string): NostrEvent =>
      who.sign({
        kind: kinds.StreamClose,
        tags: [
          ['e', session, '', 'open'],
          ['stream_id', streamId],
          ['p', self],
          ['reason', 'complete'],
        ],
      }),
    /** The session's secret as its 5611 says it. */
    secretOf: (accept: NostrEvent): Buffer =>
      Buffer.from(
        nip44.decrypt(
          tagValue(accept, 'shared_secret') ?? '',
          nip44.getConversationKey(who.secret, self),
        ),
        'hex',
      ),
    fulfillment: (secret: Buffer, sequence: bigint): Buffer =>
      createHmac('sha256', secret).update(`${streamId}:${sequence}`).digest(),
    free: (event: NostrEvent): Buffer => sha256(sha256(`sluice:${event.id}`)),
    condition: sha256,
    data: (event: NostrEvent, encoding: 'json' | 'toon' = 'json'): Buffer =>
      Buffer.from(encode[encoding](event)),
  }
}
