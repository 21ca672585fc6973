import { isIPv6 } from 'node:net'
import {
  concatBytes,
  type IlpCode,
  type IlpFulfill,
  type IlpPrepare,
  type IlpReject,
  type IlpReply,
  ilpCodes,
  kinds,
  type NostrEvent,
  parseStreamClose,
  parseStreamMoney,
  streamFlowControlTemplate,
  uint64,
} from '../../../../events/index.ts'
import type { Decision, PolicyContext } from '../../../plugin.ts'
import { clockFor, type Desk, unixSeconds, windowOf } from '../../desk.ts'
import type { payments } from '../../pay.ts'
import { type Session, sessions } from '../../session.ts'
import type { Refusal } from '../../voucher.ts'
import { type Encoding, readCarried, writeCarried } from './carried.ts'
import { conditionOf, freeFulfillment, moneyFulfillment, packetDigest } from './condition.ts'
import type { IlpOptions } from './options.ts'
import type { Peer } from './peers.ts'
import { type IlpRail, peerAccount } from './rail.ts'

/** A PREPARE as it came in; the JSON boundary knows neither its condition nor its expiry. */
export type Incoming = Pick<IlpPrepare, 'amount' | 'destination' | 'data'> &
  Partial<Pick<IlpPrepare, 'condition' | 'expiresAt'>>

/** The decisions on what packets carry: the very ones that events over WebSocket meet. */
export interface Takers {
  open(event: NostrEvent, ctx: PolicyContext): Promise<Decision>
  close(event: NostrEvent, ctx: PolicyContext): Promise<Decision>
  pay: ReturnType<typeof payments>
}

export type IlpReceiver = (packet: Incoming, peer: Peer, ip: string) => Promise<IlpReply>

/** Stops the way through the receiver with a REJECT. `answer` is the event that explains it. */
class Rejected extends Error {
  readonly code: IlpCode
  readonly answer: NostrEvent | Uint8Array | undefined
  constructor(code: IlpCode, msg: string, answer?: NostrEvent | Uint8Array) {
    super(msg)
    this.code = code
    this.answer = answer
  }
}

/** What each refusal of a 5612 is called on Interledger (docs/events.md, Interledger). */
const codeOf: Readonly<Record<Refusal, IlpCode>> = {
  unreadable: ilpCodes.invalidPacket,
  unknown: ilpCodes.unexpectedPayment,
  closed: ilpCodes.cannotReceive,
  payer: ilpCodes.invalidPacket,
  mismatch: ilpCodes.invalidPacket,
  equivocation: ilpCodes.application,
  old: ilpCodes.application,
  falls: ilpCodes.application,
  minReceive: ilpCodes.insufficientAmount,
  window: ilpCodes.application,
  maxTotal: ilpCodes.cannotReceive,
  funds: ilpCodes.insufficientLiquidity,
  deleted: ilpCodes.application,
  late: ilpCodes.timedOut,
}

/**
 * The embedded receiver: a PREPARE whose data is a signed 5610, 5612 or 5615 becomes a FULFILL that carries the 5611, 5613
 * or 5615, or a REJECT with its reason. A FULFILL leaves only after its payment is on disk. Source: IL-RFC 27, NIP-56XX.
 *
 * @example
 * const receive = ilpReceiver(desk, rail, options, takers)
 * await receive(prepare, { name: 'hub' }, '127.0.0.1') // { type: 'fulfill', fulfillment, data }
 */
export function ilpReceiver(
  desk: Desk,
  rail: IlpRail,
  options: IlpOptions,
  take: Takers,
): IlpReceiver {
  const { host } = desk

  return async function receive(packet, peer, ip) {
    let encoding: Encoding = 'json'
    try {
      checkPacket(packet)
      const said = readCarried(packet.data)
      if (!said.ok) throw new Rejected(ilpCodes.invalidPacket, said.msg)
      encoding = said.value.encoding
      const ctx = contextFor(ip)
      const admitted = await host.admit(said.value.value, ctx)
      if (!admitted.ok) throw new Rejected(codeOfAdmission(admitted.msg), admitted.msg)
      const { fulfillment, answer } = await answerTo(admitted.event, packet, peer, ctx)
      return fulfill(fulfillment, writeCarried(answer, encoding))
    } catch (error) {
      if (error instanceof Rejected) return rejectWith(error, encoding)
      host.log.error({ peer: peer.name, cause: String(error) }, 'a packet could not be answered')
      return rejectWith(
        new Rejected(ilpCodes.internal, 'error: the relay could not do this now, try again later'),
        encoding,
      )
    }
  }

  function checkPacket({ destination, amount, expiresAt }: Incoming): void {
    const { address } = rail
    if (destination !== address && !destination.startsWith(`${address}.`))
      throw new Rejected(ilpCodes.unreachable, `this is ${address}, nothing else is reached here`)
    if (expiresAt !== undefined && expiresAt - host.clock.now() < options.expiryMarginMs)
      throw new Rejected(ilpCodes.timedOut, 'this packet expires before its payment is safe')
    const most = options.maxPacketAmount
    if (amount > most)
      throw new Rejected(
        ilpCodes.amountTooLarge,
        `a packet brings at most ${most} here`,
        concatBytes(uint64(amount), uint64(most)),
      )
  }

  function contextFor(ip: string): PolicyContext {
    const source = { type: isIPv6(ip) ? 'IP6' : 'IP4', info: ip } as const
    // Nothing aborts it: policies have deadlines of their own, and a payment is decided in one transaction.
    const { signal } = new AbortController()
    return { source, authed: [], receivedAt: unixSeconds(host.clock.now()), signal }
  }

  type Answered = { fulfillment: Buffer; answer: NostrEvent }

  function answerTo(
    event: NostrEvent,
    packet: Incoming,
    peer: Peer,
    ctx: PolicyContext,
  ): Promise<Answered> {
    switch (event.kind) {
      case kinds.StreamOpen:
        return withoutMoney(event, packet, async () => {
          orRejected(await take.open(event, ctx))
          return (await sessions.get(host.store, event.id))?.accept
        })
      case kinds.StreamClose:
        return withoutMoney(event, packet, async () => {
          const said = parseStreamClose(event)
          const id = said.ok ? said.value.session : ''
          await sessionFor(id, event)
          orRejected(await take.close(event, ctx))
          return (await sessions.get(host.store, id))?.settled?.events[0]
        })
      case kinds.StreamMoney:
        return money(event, packet, peer, ctx)
      default:
        throw new Rejected(
          ilpCodes.application,
          `packets carry 5610, 5612 or 5615 here, publish kind ${event.kind} over WebSocket`,
        )
    }
  }

  /** A 5610 or 5615: nothing is paid with it, so that its answer needs no secret. */
  async function withoutMoney(
    event: NostrEvent,
    { amount, condition }: Incoming,
    act: () => Promise<string | undefined>,
  ): Promise<Answered> {
    if (amount > 0n)
      throw new Rejected(
        ilpCodes.unexpectedPayment,
        `kind ${event.kind} carries no money, send it with amount 0`,
      )
    const fulfillment = freeFulfillment(event.id)
    checkCondition(condition, fulfillment)
    const id = await act()
    const answer = id === undefined ? undefined : await host.store.event(id)
    if (!answer) throw new Error(`there is no answer to ${event.id}`)
    return { fulfillment, answer }
  }

  async function money(
    event: NostrEvent,
    packet: Incoming,
    peer: Peer,
    ctx: PolicyContext,
  ): Promise<Answered> {
    const said = parseStreamMoney(event)
    if (!said.ok) throw new Rejected(ilpCodes.invalidPacket, `invalid: ${said.msg}`)
    const { session: id, sequence, minReceive, proof } = said.value
    const session = await sessionFor(id, event)
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
    const payment = await take.pay(event, ctx, {
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

  /** The session that an event names, if its author is the viewer. */
  async function sessionFor(id: string, event: NostrEvent): Promise<Session> {
    const session = await sessions.get(host.store, id)
    if (!session)
      throw new Rejected(ilpCodes.unexpectedPayment, 'invalid: this names no session of this relay')
    if (session.viewer !== event.pubkey)
      throw new Rejected(
        ilpCodes.invalidPacket,
        'restricted: only the viewer who opened this session pays into it',
      )
    return session
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

  function rejectWith({ code, message, answer }: Rejected, encoding: Encoding): IlpReject {
    const bytes = answer instanceof Uint8Array
    const data = bytes ? answer : answer ? writeCarried(answer, encoding) : new Uint8Array()
    return { type: 'reject', code, triggeredBy: rail.address, message, data }
  }
}

const fulfill = (fulfillment: Buffer, data: Buffer): IlpFulfill => ({
  type: 'fulfill',
  fulfillment,
  data,
})

function checkCondition(condition: Uint8Array | undefined, fulfillment: Buffer): void {
  if (condition && !conditionOf(fulfillment).equals(condition))
    throw new Rejected(
      ilpCodes.wrongCondition,
      'the condition of this packet is not ours to fulfil',
    )
}

function orRejected(decision: Decision): void {
  if (decision.action === 'accept') return
  const msg = decision.action === 'reject' ? decision.msg : 'blocked: not here'
  throw new Rejected(ilpCodes.application, msg)
}

/** What is no true event is a bad packet; what a policy refuses is this relay's own affair. */
const codeOfAdmission = (msg: string): IlpCode =>
  msg.startsWith('invalid:') ? ilpCodes.invalidPacket : ilpCodes.application
