import { kinds, parseStreamAccept, type Rate, type TimeUnit, utf8 } from '../events/index.ts'
import { IlpUncertain, OpenRejected } from './errors.ts'
import { freeFulfillment, sha256 } from './ilp-condition.ts'
import { type IlpHop, orRejected, sendPacket } from './ilp-hop.ts'
import { IlpSession, signedEvent } from './ilp-session.ts'
import { randomHex } from './random.ts'
import type { Signer } from './signer.ts'
import { streamOpenTemplate } from './templates.ts'

/** How long a packet may be under way, ms. */
const TIMEOUT_MS = 15_000

export interface IlpSenderOptions {
  readonly hop: IlpHop
  readonly signer: Signer
  /** The relay's pubkey: the payee. */
  readonly self: string
  /** The relay's ILP address, for example from its kind 10032. */
  readonly destination: string
  readonly timeoutMs?: number
}

/**
 * The payer's side of Interledger, without any connection to the relay: sessions are opened, paid and closed by packets
 * to the next hop. Source: NIP-56XX as in docs/events.md, Interledger.
 *
 * Example:
 * ```ts
 * const sender = ilpSender({ hop: ilpOverHttp({ url, token }), signer, self, destination: 'g.hub.sluice' })
 * const session = await sender.open({ address, rate: { amount: 50n, unit: 'second' }, asset: 'USD' })
 * const receipt = await session.pay(1000n, { minReceive: 990n })
 * await session.close()
 * ```
 */
export function ilpSender(options: IlpSenderOptions) {
  const { hop, signer, self, destination, timeoutMs = TIMEOUT_MS } = options
  return {
    /**
     * Opens a session for the stream of that address. Throws `IlpRejected` or `OpenRejected` with the payee's reason, or
     * `IlpUncertain`; an open that nobody answered pays nothing and times out.
     */
    async open(stream: {
      address: string
      rate: Rate<TimeUnit>
      asset: string
      purpose?: 'video_access' | 'tip'
      maxTotal?: bigint
    }): Promise<IlpSession> {
      const open = await signer.sign(
        streamOpenTemplate({
          purpose: 'video_access',
          ...stream,
          streamId: randomHex(16),
          payee: self,
          createdAt: Math.floor(Date.now() / 1000),
        }),
      )
      const condition = await sha256(await freeFulfillment(open.id))
      const data = utf8(JSON.stringify(open))
      const packet = { amount: 0n, condition, destination, data, timeoutMs }
      const reply = orRejected(await sendPacket(hop, packet))
      const expected = { kind: kinds.StreamAccept, author: self, session: open.id }
      const answer = signedEvent(reply.data, expected)
      if (!answer) throw new IlpUncertain()
      const accept = parseStreamAccept(answer)
      if (!accept.ok) throw new OpenRejected(accept.msg)
      const { status, message, sharedSecret, ilpAddress, maxReceive } = accept.value
      if (status === 'rejected') throw new OpenRejected(message)
      if (sharedSecret === undefined || ilpAddress === undefined)
        throw new OpenRejected('this stream is not paid by packets')
      return new IlpSession({
        hop,
        signer,
        self,
        open,
        secret: await signer.decrypt(self, sharedSecret),
        ilpAddress: await signer.decrypt(self, ilpAddress),
        maxReceive,
        timeoutMs,
      })
    },
  }
}

export type IlpSender = ReturnType<typeof ilpSender>
