import { isIPv6 } from 'node:net'
import {
  concatBytes,
  type IlpFulfill,
  type IlpReject,
  type IlpReply,
  ilpCodes,
  kinds,
  type NostrEvent,
  parseStreamClose,
  tagValue,
  uint64,
} from '../../../../events/index.ts'
import type { Decision, PolicyContext } from '../../../plugin.ts'
import { type Desk, unixSeconds } from '../../desk.ts'
import type { payments } from '../../pay.ts'
import { sessions } from '../../session.ts'
import { type Encoding, readCarried, writeCarried } from './carried.ts'
import { freeFulfillment } from './condition.ts'
import { type Answered, type Incoming, moneyTaker, sessionFor } from './money.ts'
import type { IlpOptions } from './options.ts'
import type { Peer } from './peers.ts'
import type { IlpRail } from './rail.ts'
import { checkCondition, codeOfAdmission, orRejected, Rejected } from './refusal.ts'

/** The decisions on what packets carry: the very ones that events over WebSocket meet. */
export interface Takers {
  open(event: NostrEvent, ctx: PolicyContext): Promise<Decision>
  close(event: NostrEvent, ctx: PolicyContext): Promise<Decision>
  pay: ReturnType<typeof payments>
}

export type IlpReceiver = (packet: Incoming, peer: Peer, ip: string) => Promise<IlpReply>

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
  const money = moneyTaker(desk, rail, options, take.pay)

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

  function answerTo(
    event: NostrEvent,
    packet: Incoming,
    peer: Peer,
    ctx: PolicyContext,
  ): Promise<Answered> {
    switch (event.kind) {
      case kinds.StreamOpen:
        return withoutMoney(event, packet, async () => {
          // A host that is its own payee answers over WebSocket, when it likes: a packet waits for nobody.
          if (tagValue(event, 'p') !== host.self)
            throw new Rejected(
              ilpCodes.application,
              `restricted: packets open sessions with the relay, name ${host.self} in p`,
            )
          orRejected(await take.open(event, ctx))
          return (await sessions.get(host.store, event.id))?.accept
        })
      case kinds.StreamClose:
        return withoutMoney(event, packet, async () => {
          const said = parseStreamClose(event)
          const id = said.ok ? said.value.session : ''
          await sessionFor(host.store, id, event)
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
