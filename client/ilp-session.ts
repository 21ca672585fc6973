import { verifyEvent } from 'nostr-tools/pure'
import {
  fromUtf8,
  kinds,
  markedEvent,
  type NostrEvent,
  parseAmount,
  parseStreamFlowControl,
  parseStreamReceipt,
  type StreamReceipt,
  streamCloseTemplate,
  tagValue,
  utf8,
} from '../events/index.ts'
import { IlpUncertain } from './errors.ts'
import { freeFulfillment, moneyFulfillment, sha256, toHex } from './ilp-condition.ts'
import { type IlpHop, orRejected, sendPacket } from './ilp-hop.ts'
import type { Signer } from './signer.ts'
import { streamMoneyTemplate } from './templates.ts'

/** What an `IlpSession` is made of. */
export interface IlpSessionOptions {
  readonly hop: IlpHop
  readonly signer: Signer
  /** The payee's pubkey: whose receipts count. */
  readonly self: string
  readonly open: NostrEvent
  /** From the 5611: 64 hex, where packets go, and what the payee takes for now. */
  readonly secret: string
  readonly ilpAddress: string
  readonly maxReceive: bigint
  readonly timeoutMs: number
}

/** Where the session stands, as the payee last said. */
export interface IlpStanding {
  readonly totalReceived: bigint
  /** Cumulative amount that the payee takes for now. */
  readonly maxReceive: bigint
  readonly closed: boolean
}

/**
 * A payment session paid by ILP packets; made by `ilpSender`. Each payment takes a sequence of its own, used once whatever
 * became of it. Totals are cumulative and every 5612 signs the least that may arrive, so of two packets for the same
 * time the payee takes one, and a hop cannot keep more than it was offered.
 */
export class IlpSession {
  readonly id: string
  readonly #options: IlpSessionOptions
  #sequence = 0n
  #standing: IlpStanding
  #uncertain = false

  constructor(options: IlpSessionOptions) {
    this.#options = options
    this.id = options.open.id
    this.#standing = { totalReceived: 0n, maxReceive: options.maxReceive, closed: false }
  }

  get standing(): IlpStanding {
    return this.#standing
  }

  /** True when the payee's side of the last packet is not known. */
  get uncertain(): boolean {
    return this.#uncertain
  }

  /**
   * Pays `amount` more and gives the receipt. `minReceive` is the least that may arrive (the whole amount unless hops are
   * to be paid from it), `send` what the first hop is given, in its own unit. Throws `IlpRejected` (this side has paid nothing) or
   * `IlpUncertain`; where the payee's side is not known, the next call asks it first.
   *
   * Example: `await session.pay(1000n, { minReceive: 990n })`.
   */
  async pay(
    amount: bigint,
    { minReceive = amount, send = amount }: { minReceive?: bigint; send?: bigint } = {},
  ): Promise<StreamReceipt> {
    if (this.#uncertain) await this.query()
    const sequence = this.#next()
    const totalSent = this.#standing.totalReceived + amount
    const { open, secret } = this.#options
    const streamId = tagValue(open, 'stream_id') ?? ''
    const condition = await sha256(await moneyFulfillment(secret, streamId, sequence))
    const event = await this.#money(sequence, totalSent, minReceive, toHex(condition))
    const reply = await this.#send(event, send, condition)
    const receipt = this.#receiptIn(reply.data, event.id)
    // Paid without a receipt: only the payee can say how much arrived.
    if (!receipt) throw this.#doubt(new IlpUncertain())
    this.#standing = { ...this.#standing, totalReceived: receipt.totalReceived }
    return receipt
  }

  /** Asks the payee where the session stands, by a packet without money. Throws `IlpUncertain` when nobody answers. */
  async query(): Promise<IlpStanding> {
    const sequence = this.#next()
    const event = await this.#money(sequence, this.#standing.totalReceived)
    // Nothing is paid with it, so nobody can fulfil it: the answer is a REJECT with a 5614 (or the 5615).
    const condition = crypto.getRandomValues(new Uint8Array(32))
    const reply = await this.#packet(event, 0n, condition)
    if (!this.#learn(reply.data)) throw this.#doubt(new IlpUncertain())
    this.#uncertain = false
    return this.#standing
  }

  /** Ends the session; what was paid and is not due stays on the viewer's balance. Gives what the payee keeps. */
  async close(): Promise<{ finalReceived: bigint; refunded: bigint }> {
    const { open, signer, self } = this.#options
    const { totalReceived } = this.#standing
    const event = await signer.sign(
      streamCloseTemplate(
        {
          session: this.id,
          streamId: tagValue(open, 'stream_id') ?? '',
          to: self,
          address: tagValue(open, 'a'),
          reason: 'cancelled',
          finalSent: totalReceived,
          finalReceived: totalReceived,
        },
        now(),
      ),
    )
    const condition = await sha256(await freeFulfillment(event.id))
    const reply = orRejected(await this.#packet(event, 0n, condition))
    const answer = this.#eventIn(reply.data, kinds.StreamClose)
    if (!answer) throw new IlpUncertain()
    this.#learn(reply.data)
    const read = (name: string) => parseAmount(tagValue(answer, name)) ?? 0n
    return { finalReceived: read('final_received'), refunded: read('refunded') }
  }

  #next(): bigint {
    this.#sequence += 1n
    return this.#sequence
  }

  #money(sequence: bigint, totalSent: bigint, minReceive?: bigint, condition?: string) {
    const { open, signer, self } = this.#options
    return signer.sign(
      streamMoneyTemplate({
        session: this.id,
        streamId: tagValue(open, 'stream_id') ?? '',
        payee: self,
        address: tagValue(open, 'a') ?? '',
        sequence,
        totalSent,
        minReceive,
        condition,
        createdAt: now(),
      }),
    )
  }

  async #send(event: NostrEvent, amount: bigint, condition: Uint8Array) {
    const reply = await this.#packet(event, amount, condition).catch(error => {
      throw this.#doubt(error)
    })
    // A REJECT without the payee's word costs nothing, but a hop may have said it after the payee had taken the money.
    if (reply.type === 'reject') this.#uncertain = !this.#learn(reply.data)
    return orRejected(reply)
  }

  #packet(event: NostrEvent, amount: bigint, condition: Uint8Array) {
    const { hop, ilpAddress: destination, timeoutMs } = this.#options
    const data = utf8(JSON.stringify(event))
    return sendPacket(hop, { amount, condition, destination, data, timeoutMs })
  }

  #doubt(error: unknown): unknown {
    if (error instanceof IlpUncertain) this.#uncertain = true
    return error
  }

  /** Takes what a 5614 or 5615 of the payee says about this session. False when the data is neither. */
  #learn(data: Uint8Array): boolean {
    const closing = this.#eventIn(data, kinds.StreamClose)
    if (closing) {
      const total = parseAmount(tagValue(closing, 'final_sent')) ?? 0n
      this.#standing = { ...this.#standing, totalReceived: total, closed: true }
      return true
    }
    const event = this.#eventIn(data, kinds.StreamFlowControl)
    const flow = event && parseStreamFlowControl(event)
    if (!flow?.ok) return false
    const { currentOffset, maxReceive } = flow.value
    // Answers may overtake each other: what the payee has received never falls.
    if (currentOffset >= this.#standing.totalReceived)
      this.#standing = { ...this.#standing, totalReceived: currentOffset, maxReceive }
    return true
  }

  #receiptIn(data: Uint8Array, money: string): StreamReceipt | undefined {
    const event = this.#eventIn(data, kinds.StreamReceipt)
    const receipt = event && parseStreamReceipt(event)
    return receipt?.ok && receipt.value.money === money ? receipt.value : undefined
  }

  #eventIn(data: Uint8Array, kind: number): NostrEvent | undefined {
    return signedEvent(data, { kind, author: this.#options.self, session: this.id })
  }
}

/** The event of that kind, author and session in a packet's data, if it is one and its signature verifies. */
export function signedEvent(
  data: Uint8Array,
  expected: { kind: number; author: string; session: string },
): NostrEvent | undefined {
  try {
    const event = JSON.parse(fromUtf8(data)) as NostrEvent
    const { id, pubkey, created_at, kind, tags, content, sig } = event
    const ours = kind === expected.kind && pubkey === expected.author
    if (!ours || markedEvent(event, 'open') !== expected.session) return undefined
    // A plain copy: nostr-tools remembers its verdict on the object.
    const copy = { id, pubkey, created_at, kind, tags: tags.map(tag => [...tag]), content, sig }
    return verifyEvent(copy) ? event : undefined
  } catch {
    return undefined
  }
}

const now = (): number => Math.floor(Date.now() / 1000)
