import { randomBytes } from 'node:crypto'
import { type EventTemplate, kinds, type NostrEvent } from '../../../events/index.ts'
import { loadCurve } from '../../../relay/curve.ts'
import { createSigner } from '../../../relay/signer.ts'

const curve = loadCurve()

/** A viewer with a key of its own, who signs as fast as this machine can. */
export function payer(self: string, address: string) {
  const signer = createSigner(randomBytes(32), curve)
  const streamId = randomBytes(16).toString('hex')
  const sign = (template: Omit<EventTemplate, 'created_at' | 'content'>): NostrEvent =>
    signer.sign({ created_at: Math.floor(Date.now() / 1000), content: '', ...template })
  const open = sign({
    kind: kinds.StreamOpen,
    tags: [
      ['stream_id', streamId],
      ['p', self],
      ['a', address],
      ['purpose', 'video_access'],
      ['rate', '1000', 'second'],
    ],
  })
  let sequence = 0n
  return {
    pubkey: signer.self,
    streamId,
    open,
    decrypt: (text: string): string => signer.decrypt(self, text),
    auth: (relay: string, challenge: string): NostrEvent =>
      sign({
        kind: kinds.Auth,
        tags: [
          ['relay', relay],
          ['challenge', challenge],
        ],
      }),
    /** The next 5612: one unit more. */
    money(): { event: NostrEvent; sequence: bigint } {
      sequence += 1n
      const tags = [
        ['e', open.id, '', 'open'],
        ['stream_id', streamId],
        ['p', self],
        ['a', address],
        ['sequence', String(sequence)],
        ['total_sent', String(sequence)],
        ['min_receive', '1'],
      ]
      return { event: sign({ kind: kinds.StreamMoney, tags }), sequence }
    },
  }
}
export type Payer = ReturnType<typeof payer>
