import {
  type IlpCode,
  type IlpPrepare,
  ilpCodes,
  type NostrEvent,
  parseStreamMoney,
  streamFlowControlTemplate,
} from '../../../../events/index.ts'
import type { PolicyContext, Reader } from '../../../plugin.ts'
import { clockFor, type Desk, unixSeconds, windowOf } from '../../desk.ts'
import type { payments } from '../../pay.ts'
import { type Session, sessions } from '../../session.ts'
import { conditionOf, moneyFulfillment, packetDigest } from './condition.ts'
import type { IlpOptions } from './options.ts'
import type { Peer } from './peers.ts'
import { type IlpRail, peerAccount } from './rail.ts'
import { checkCondition, codeOf, Rejected } from './refusal.ts'

/** A PREPARE as it came in; the JSON boundary knows neither its condition nor its expiry. */
export type Incoming = Pick<IlpPrepare, 'amount' | 'destination' | 'data'> &
  Partial<Pick<IlpPrepare, 'condition' | 'expiresAt'>>

/** What goes into a FULFILL. */
export interface Answered {
  readonly fulfillment: Buffer
  readonly answer: NostrEvent
}

/** Takes a 5612 with the money of its packet, or throws `Rejected`; `pay` is the desk's one way to settle vouchers. */
export function moneyTaker(
  desk: Desk,
  rail: IlpRail,
  options: IlpOptions,
  pay: ReturnType<typeof payments>,
) {
  const { host } = desk

  return async function take(
    event: NostrEvent,
    packet: Incoming,
    peer: Peer,
    ctx: PolicyContext,
  ): Promise<Answered> {
    const said = parseStreamMoney(event)
    if (!said.ok) throw new Rejected(ilpCodes.invalidPacket, `invalid: ${said.msg}`)
    const { session: id, sequence, minReceive, proof } = said.value
    const session = await sessionFor(host.store, id, event)
    if (session.secret === undefined || session.asset !== rail.asset)
      throw new Rejected(
        ilpCodes.unexpectedPayment,
        `this session is paid in ${session.asset}, packets bring ${rail.asset}`,
      )
    if (session.settled) {
      const answer = await host.store.event(session.settled.events[0] ?? '')
      throw new Rejected(ilpCodes.cannotReceive, 'restricted: this session is closed', answer)
    }
    const refuse = async (code: IlpCode, msg: string) =>
      new Rejected(code, msg, await standing(id).catch(() => undefined))
    // A status query. It is never fulfilled: the fulfillment of a sequence is worth the packet that pays for it.
    if (packet.amount === 0n)
      throw await refuse(
        ilpCodes.application,
        'nothing came with this: the 5614 says where you are',
      )

    const fulfillment = moneyFulfillment(session.secret, session.streamId, sequence)
    checkCondition(packet.condition, fulfillment)
    const condition = conditionOf(fulfillment)
    if (proof && (proof.rail !== rail.id || proof.data !== condition.toString('hex')))
      throw new Rejected(ilpCodes.wrongCondition, 'invalid: this 5612 is for another packet')
    if (minReceive === undefined && peer.viewer !== event.pubkey)
      throw await refuse(
        ilpCodes.insufficientAmount,
        'invalid: a payment that crosses a hop needs a min_receive',
      )
    const payment = await pay(event, ctx, {
      rail: rail.id,
      id: condition.toString('hex'),
      from: peerAccount(peer.name),
      amount: packet.amount,
      digest: packetDigest({ amount: packet.amount, condition, data: packet.data }),
      commitBefore: (packet.expiresAt ?? Number.POSITIVE_INFINITY) - options.expiryMarginMs,
    })
    if (payment.type === 'refused') throw await refuse(codeOf[payment.why], payment.msg)
    const answer = payment.type === 'settled' ? payment.receipt : payment.answer
    if (!answer)
      throw await refuse(ilpCodes.application, 'this sequence was settled without a packet')
    return { fulfillment, answer }
  }

  /** A 5614 that says where the session stands now: signed, sent with this answer only, not stored. */
  async function standing(id: string): Promise<NostrEvent | undefined> {
    const session = await sessions.get(host.store, id)
    if (!session) return undefined
    const nowMs = host.clock.now()
    const { streamId, viewer, address, received } = session
    const maxReceive = windowOf(desk, session, await clockFor(host.store, session, nowMs))
    const flow = { session: id, streamId, viewer, address, maxReceive, rails: [rail.offer] }
    return host.sign(
      streamFlowControlTemplate({ ...flow, currentOffset: received }, unixSeconds(nowMs)),
    )
  }
}

/** The session that an event names, if its author is the viewer. */
export async function sessionFor(reader: Reader, id: string, event: NostrEvent): Promise<Session> {
  const session = await sessions.get(reader, id)
  if (!session)
    throw new Rejected(ilpCodes.unexpectedPayment, 'invalid: this names no session of this relay')
  if (session.viewer !== event.pubkey)
    throw new Rejected(
      ilpCodes.invalidPacket,
      'restricted: only the viewer who opened this session pays into it',
    )
  return session
}
