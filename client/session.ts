import {
  kinds,
  type NostrEvent,
  parseStreamAccept,
  parseStreamFlowControl,
  parseStreamReceipt,
  type Rate,
  streamCloseTemplate,
  type TimeUnit,
  tagValue,
  type ViewerGrant,
} from '../events/index.ts'
import { OpenRejected, RelayRefused, RelayTimeout, SignerMissing, sentenceOf } from './errors.ts'
import type { RelayClient } from './relay-client.ts'
import { nextTotal, type PaySchedule } from './schedule.ts'
import { streamMoneyTemplate } from './templates.ts'

/** Where a payment session stands, as its viewer sees it. */
export interface SessionState {
  /**
   * opening: not answered yet. open: accepted, and nothing is being paid. paying: by the schedule.
   * spent: the budget is used up. blocked: the relay refuses to go on, `problem` says why. closed: over.
   */
  readonly phase: 'opening' | 'open' | 'paying' | 'spent' | 'blocked' | 'closed'
  /** Received by the payee, in the asset's smallest unit. */
  readonly totalReceived: bigint
  /** Watching is paid for up to here, unix seconds of the relay's clock. */
  readonly paidUntil?: number
  /** The newest access grant; `playbackUrl` changes with each renewal. */
  readonly grant?: ViewerGrant
  /** A sentence for the person. */
  readonly problem?: string
}

export interface SessionOptions {
  readonly relay: RelayClient
  /** The relay's pubkey: payee, and the only one whose receipts and grants count. */
  readonly self: string
  /** The 5610 that opens (or opened) the session. */
  readonly open: NostrEvent
  readonly address: string
  readonly rate: Rate<TimeUnit>
  readonly schedule: PaySchedule
  readonly onChange: (state: SessionState) => void
}

/** A receipt that does not come although the payment was taken holds the next payment back for so long. */
const RECEIPT_WAIT_MS = 10_000

/** One payment session, from 5610 to 5615: pays by its schedule, follows receipts and grants. Made by `viewer`. */
export class Session {
  readonly id: string
  readonly #options: SessionOptions
  #state: SessionState = { phase: 'opening', totalReceived: 0n }
  #schedule: PaySchedule
  #totalSent = 0n
  #sequence = 0n
  #maxReceive: bigint | undefined
  /** Paid-ahead time as the newest receipt gave it, and when it came (ms, monotonic): no clock of ours in it. */
  #lead = { ms: 0, at: 0 }
  /** Sequences that the relay has taken, and that it has given a receipt for. */
  #acknowledged = 0n
  #receipted = 0n
  /** True until the stored events are through: a receipt among them is as old as it is. */
  #stored = true
  #sentAt = 0
  #unanswered: NostrEvent | undefined
  #busy = false
  #timer: ReturnType<typeof setInterval> | undefined
  #end: () => void = () => {}
  #grantAt = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#schedule = options.schedule
    this.id = options.open.id
  }

  get state(): SessionState {
    return this.#state
  }

  /**
   * Follows the session and waits until it is accepted: publishes the 5610, unless it is `known` to the relay
   * from before. Rejects with `OpenRejected`, `RelayRefused` or `RelayTimeout`; the session is closed then.
   */
  async start(known: boolean): Promise<void> {
    const { relay, self, open } = this.#options
    const me = await relay.signer.pubkey()
    const mine = {
      kinds: [
        kinds.StreamAccept,
        kinds.StreamReceipt,
        kinds.StreamFlowControl,
        kinds.StreamClose,
        kinds.AccessGrant,
      ],
      authors: [self],
      '#p': [me],
      '#e': [this.id],
    }
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new RelayTimeout()), 15_000)
        const settle = (error?: Error) => {
          clearTimeout(timer)
          if (error) reject(error)
          else resolve()
        }
        this.#end = relay.subscribe([mine], {
          onEvent: event => this.#received(event, settle),
          onEose: () => {
            this.#stored = false
          },
          onClosed: settle,
        })
        if (!known) relay.publish(open).catch(settle)
      })
    } catch (error) {
      this.#finish(sentenceOf(error))
      throw error
    }
  }

  /** Begins to pay by the schedule, now; with a new schedule (a raised budget) if one is given. */
  pay(schedule: PaySchedule = this.#schedule): void {
    if (this.#state.phase === 'closed') return
    this.#schedule = schedule
    clearInterval(this.#timer)
    this.#become({ phase: 'paying', problem: undefined })
    this.#timer = setInterval(() => void this.#tick(), schedule.everySeconds * 1000)
    void this.#tick()
  }

  /** Stops paying and leaves the session open: what is paid may still be watched. */
  pause(): void {
    clearInterval(this.#timer)
    if (this.#state.phase === 'paying') this.#become({ phase: 'open' })
  }

  /** Ends the session; what is paid and not yet due goes back to the balance. Rejects as `publish` does. */
  async close(): Promise<void> {
    if (this.#state.phase === 'closed') return
    this.pause()
    const { relay, self, open, address } = this.#options
    const account = {
      session: this.id,
      streamId: tagValue(open, 'stream_id') ?? '',
      to: self,
      address,
      reason: 'cancelled' as const,
      finalSent: this.#totalSent,
      finalReceived: this.#state.totalReceived,
    }
    const template = streamCloseTemplate(account, now())
    await relay.send(template)
    this.#finish()
  }

  /** Lets go of it without a word to the relay: the page is left. It can be resumed. */
  leave(): void {
    clearInterval(this.#timer)
    this.#end()
  }

  /** Milliseconds that are still paid for. */
  #leadMs(): number {
    return Math.max(0, this.#lead.ms - (performance.now() - this.#lead.at))
  }

  async #tick(): Promise<void> {
    if (this.#busy || this.#state.phase !== 'paying') return
    const waiting = this.#receipted < this.#acknowledged
    if (waiting && performance.now() - this.#sentAt < RECEIPT_WAIT_MS) return
    this.#busy = true
    try {
      await this.#payOnce()
    } catch (error) {
      // No answer in time: the same event goes out again at the next tick, it can only count once.
      if (!(error instanceof RelayTimeout)) this.#block(error)
    } finally {
      this.#busy = false
    }
  }

  async #payOnce(): Promise<void> {
    const { relay } = this.#options
    const event = this.#unanswered ?? (await this.#nextPayment())
    if (!event) return
    this.#unanswered = event
    this.#sentAt = performance.now()
    try {
      await relay.publish(event)
      this.#totalSent = amountOf(event, 'total_sent') ?? this.#totalSent
      this.#acknowledged = amountOf(event, 'sequence') ?? this.#acknowledged
      this.#unanswered = undefined
    } catch (error) {
      if (error instanceof RelayRefused) this.#unanswered = undefined
      throw error
    }
  }

  async #nextPayment(): Promise<NostrEvent | undefined> {
    const { relay, self, open, address, rate } = this.#options
    const wanted = nextTotal(rate, this.#schedule, this.#totalSent, this.#leadMs())
    const most = this.#maxReceive
    const total = most !== undefined && most < wanted ? most : wanted
    if (total <= this.#totalSent) {
      const spent = this.#totalSent >= this.#schedule.budget
      if (spent && this.#leadMs() === 0) this.#stop({ phase: 'spent' })
      return undefined
    }
    this.#sequence += 1n
    return relay.signer.sign(
      streamMoneyTemplate({
        session: this.id,
        streamId: tagValue(open, 'stream_id') ?? '',
        payee: self,
        address,
        sequence: this.#sequence,
        totalSent: total,
        createdAt: now(),
      }),
    )
  }

  #received(event: NostrEvent, settle: (error?: Error) => void): void {
    switch (event.kind) {
      case kinds.StreamAccept:
        this.#answered(event, settle)
        break
      case kinds.StreamReceipt:
        this.#receipt(event)
        break
      case kinds.StreamFlowControl: {
        const flow = parseStreamFlowControl(event)
        if (flow.ok) this.#maxReceive = flow.value.maxReceive
        break
      }
      case kinds.StreamClose:
        this.#finish(event.content || undefined)
        settle(new OpenRejected(event.content || 'this payment session is over'))
        break
      case kinds.AccessGrant:
        void this.#granted(event)
        break
    }
  }

  #answered(event: NostrEvent, settle: (error?: Error) => void): void {
    const accept = parseStreamAccept(event)
    if (!accept.ok || accept.value.status === 'rejected') {
      settle(new OpenRejected(accept.ok ? accept.value.message : accept.msg))
      return
    }
    this.#maxReceive ??= accept.value.maxReceive
    if (this.#state.phase === 'opening') this.#become({ phase: 'open' })
    settle()
  }

  #receipt(event: NostrEvent): void {
    const receipt = parseStreamReceipt(event)
    if (!receipt.ok || receipt.value.sequence < this.#receipted) return
    const { sequence, totalReceived, paidUntil } = receipt.value
    this.#receipted = sequence
    if (sequence > this.#sequence) this.#sequence = sequence
    if (totalReceived > this.#totalSent) this.#totalSent = totalReceived
    const since = this.#stored ? now() : event.created_at
    this.#lead = { ms: Math.max(0, paidUntil - since) * 1000, at: performance.now() }
    this.#become({ totalReceived, paidUntil })
  }

  async #granted(event: NostrEvent): Promise<void> {
    if (event.created_at < this.#grantAt) return
    this.#grantAt = event.created_at
    try {
      const { relay, self } = this.#options
      const grant = JSON.parse(await relay.signer.decrypt(self, event.content)) as ViewerGrant
      this.#become({ grant })
    } catch (error) {
      this.#block(
        error instanceof SyntaxError ? new SignerMissing('The access grant is unreadable.') : error,
      )
    }
  }

  #block(error: unknown): void {
    this.#stop({ phase: 'blocked', problem: sentenceOf(error) })
  }

  #stop(state: Pick<SessionState, 'phase' | 'problem'>): void {
    clearInterval(this.#timer)
    if (this.#state.phase !== 'closed') this.#become(state)
  }

  #finish(problem?: string): void {
    this.leave()
    this.#become({ phase: 'closed', problem, grant: undefined })
  }

  #become(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change }
    this.#options.onChange(this.#state)
  }
}

function amountOf(event: NostrEvent, name: string): bigint | undefined {
  const text = tagValue(event, name)
  return text !== undefined && /^\d{1,19}$/.test(text) ? BigInt(text) : undefined
}

const now = (): number => Math.floor(Date.now() / 1000)
