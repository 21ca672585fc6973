import {
  kinds,
  type NostrEvent,
  parseAmount,
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
import type { Relay } from './relay.ts'
import type { PaySchedule } from './schedule.ts'
import { qualityRequestTemplate, streamMoneyTemplate } from './templates.ts'
import { type Voucher, vouchers } from './vouchers.ts'

/** One payment that the payee has signed for (5613). Times in unix seconds. */
export interface Receipt {
  readonly id: string
  readonly at: number
  readonly received: bigint
  readonly paidUntil: number
}

const RECEIPTS_KEPT = 50

/** Where a payment session stands, as its viewer sees it. */
export interface SessionState {
  /**
   * opening: not answered yet. open: accepted, and nothing is being paid. paying: by the schedule.
   * spent: the budget is used up. blocked: the relay refuses to go on, `problem` says why. closed: over.
   */
  readonly phase: 'opening' | 'open' | 'paying' | 'spent' | 'blocked' | 'closed'
  /** Received by the payee, in the asset's smallest unit; once it is closed, what the payee keeps. */
  readonly totalReceived: bigint
  /** Watching is paid for up to here, unix seconds of the relay's clock. */
  readonly paidUntil?: number
  /** What the payee has signed for in this visit, the newest first. */
  readonly receipts: readonly Receipt[]
  /** The newest access grant; `playbackUrl` changes with each renewal. */
  readonly grant?: ViewerGrant
  /** A sentence for the person. */
  readonly problem?: string
}

export interface SessionOptions {
  readonly relay: Relay
  /** The relay's pubkey: only its grants count. */
  readonly self: string
  /** Who is paid, and whose answers and receipts count: the relay, or the stream's host. */
  readonly payee: string
  /** The 5610 that opens (or opened) the session. */
  readonly open: NostrEvent
  readonly address: string
  readonly rate: Rate<TimeUnit>
  readonly schedule: PaySchedule
  readonly onChange: (state: SessionState) => void
}

const ANSWER_WAIT_MS = 15_000
/** How long a close waits for the payee's account; the session is over without it as well. */
const ACCOUNT_WAIT_MS = 2_000

const answers: readonly number[] = [
  kinds.StreamAccept,
  kinds.StreamReceipt,
  kinds.StreamFlowControl,
  kinds.StreamClose,
  kinds.AccessGrant,
]

/** One payment session, from 5610 to 5615: pays by its schedule, follows receipts and grants. Made by `viewer`. */
export class Session {
  readonly id: string
  readonly #options: SessionOptions
  readonly #book: ReturnType<typeof vouchers>
  #state: SessionState = { phase: 'opening', totalReceived: 0n, receipts: [] }
  #schedule: PaySchedule
  /** A payment that the relay has not answered yet. */
  #unanswered: { event: NostrEvent; voucher: Voucher } | undefined
  #busy = false
  #mayTryAgain = false
  #timer: ReturnType<typeof setInterval> | undefined
  #grantAt = 0
  /** True until the stored events are through: a receipt among them is as old as it is. */
  #stored = true
  #unsubscribe: () => void = () => {}
  #accounted: () => void = () => {}

  constructor(options: SessionOptions) {
    this.#options = options
    this.#schedule = options.schedule
    this.#book = vouchers(options.rate)
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
    const { relay, self, payee, open } = this.#options
    const me = await relay.signer.pubkey()
    const filter = {
      kinds: answers,
      authors: [...new Set([self, payee])],
      '#p': [me],
      '#e': [this.id],
    }
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new RelayTimeout()), ANSWER_WAIT_MS)
        const settle = (error?: Error) => {
          clearTimeout(timer)
          if (error) reject(error)
          else resolve()
        }
        this.#unsubscribe = relay.subscribe([filter], {
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
    this.#book.begin()
    this.#become({ phase: 'paying', problem: undefined })
    this.#timer = setInterval(() => void this.#tick(), schedule.everySeconds * 1000)
    void this.#tick()
  }

  /** Stops paying and leaves the session open: what is paid may still be watched. */
  pause(): void {
    clearInterval(this.#timer)
    if (this.#state.phase === 'paying') this.#become({ phase: 'open' })
  }

  /**
   * Asks for another quality (5651), for as long as the session lasts; the answer is a new grant. Rejects with
   * `RelayRefused` where it is not sold, or not paid for.
   */
  async requestQuality(quality: string): Promise<void> {
    const { relay, self, address } = this.#options
    const options = { session: this.id, payee: self, address, quality, createdAt: now() }
    await relay.send(qualityRequestTemplate(options))
  }

  /** Ends the session; what is paid and not yet due goes back to the balance. Rejects as `publish` does. */
  async close(): Promise<void> {
    if (this.#state.phase === 'closed') return
    this.pause()
    const { relay, payee, open, address } = this.#options
    const account = {
      session: this.id,
      streamId: tagValue(open, 'stream_id') ?? '',
      to: payee,
      address,
      reason: 'cancelled' as const,
      finalSent: this.#book.totalSent(),
      finalReceived: this.#state.totalReceived,
    }
    const accounted = new Promise<void>(resolve => {
      this.#accounted = resolve
      setTimeout(resolve, ACCOUNT_WAIT_MS)
    })
    await relay.send(streamCloseTemplate(account, now()))
    this.#become({ grant: undefined })
    await accounted
    this.#finish()
  }

  /** Lets go of it without a word to the relay: the page is left. It can be resumed. */
  leave(): void {
    clearInterval(this.#timer)
    this.#unsubscribe()
  }

  async #tick(): Promise<void> {
    if (this.#busy || this.#state.phase !== 'paying') return
    this.#busy = true
    try {
      this.#unanswered ??= await this.#nextPayment()
      if (this.#unanswered) await this.#send(this.#unanswered)
    } catch (error) {
      // No answer in time: the same event goes out again at the next tick, it can only count once.
      if (!(error instanceof RelayTimeout) && !this.#mayTryAgain) this.#block(error)
    } finally {
      this.#busy = false
    }
    if (this.#mayTryAgain && this.#state.phase === 'paying') {
      this.#mayTryAgain = false
      await this.#tick()
    }
  }

  async #send({ event, voucher }: { event: NostrEvent; voucher: Voucher }): Promise<void> {
    try {
      await this.#options.relay.publish(event)
      this.#book.accepted(voucher, performance.now())
      this.#unanswered = undefined
      this.#mayTryAgain = false
    } catch (error) {
      if (error instanceof RelayRefused) this.#unanswered = undefined
      // The payee answers a voucher above its limit with a new limit; one above the balance may be too large.
      this.#mayTryAgain = error instanceof RelayRefused && this.#book.refused(voucher)
      throw error
    }
  }

  async #nextPayment() {
    const next = this.#book.next(this.#schedule, performance.now())
    if (next.do === 'spent') this.#stop({ phase: 'spent' })
    if (next.do !== 'pay') return undefined
    const { voucher } = next
    const { relay, payee, open, address } = this.#options
    const streamId = tagValue(open, 'stream_id') ?? ''
    const common = { session: this.id, streamId, payee, address, createdAt: now() }
    return {
      event: await relay.signer.sign(streamMoneyTemplate({ ...common, ...voucher })),
      voucher,
    }
  }

  #received(event: NostrEvent, settle: (error?: Error) => void): void {
    const { self, payee } = this.#options
    if (event.pubkey !== (event.kind === kinds.AccessGrant ? self : payee)) return
    switch (event.kind) {
      case kinds.StreamAccept:
        this.#answered(event, settle)
        break
      case kinds.StreamReceipt:
        this.#receipt(event)
        break
      case kinds.StreamFlowControl: {
        const flow = parseStreamFlowControl(event)
        if (flow.ok) this.#book.limit(flow.value.maxReceive)
        break
      }
      case kinds.StreamClose:
        this.#closed(event)
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
    this.#book.firstLimit(accept.value.maxReceive)
    if (this.#state.phase === 'opening') this.#become({ phase: 'open' })
    settle()
  }

  #receipt(event: NostrEvent): void {
    const receipt = parseStreamReceipt(event)
    if (!receipt.ok) return
    const { totalReceived, paidUntil, received } = receipt.value
    const aheadMs = (paidUntil - (this.#stored ? now() : event.created_at)) * 1000
    if (!this.#book.receipt(receipt.value, aheadMs, performance.now())) return
    const newest = { id: event.id, at: event.created_at, received, paidUntil }
    const receipts = [newest, ...this.#state.receipts].slice(0, RECEIPTS_KEPT)
    this.#become({ totalReceived, paidUntil, receipts })
  }

  /** The payee's account: what it keeps. */
  #closed(event: NostrEvent): void {
    const kept = parseAmount(tagValue(event, 'final_received'))
    if (kept !== undefined) this.#become({ totalReceived: kept })
    const mine = tagValue(event, 'reason') === 'cancelled'
    this.#accounted()
    this.#finish(mine ? undefined : event.content || undefined)
  }

  async #granted(event: NostrEvent): Promise<void> {
    if (event.created_at < this.#grantAt) return
    this.#grantAt = event.created_at
    try {
      const { relay, self } = this.#options
      const grant = JSON.parse(await relay.signer.decrypt(self, event.content)) as ViewerGrant
      if (this.#state.phase !== 'closed') this.#become({ grant })
    } catch (error) {
      const unreadable = new SignerMissing('The access grant is unreadable.')
      this.#block(error instanceof SyntaxError ? unreadable : error)
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
    if (this.#state.phase !== 'closed') this.#become({ phase: 'closed', problem, grant: undefined })
  }

  #become(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change }
    this.#options.onChange(this.#state)
  }
}

const now = (): number => Math.floor(Date.now() / 1000)
