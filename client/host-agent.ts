import {
  type CloseReason,
  type EventTemplate,
  kinds,
  type NostrEvent,
  type Price,
  parseStreamClose,
  parseStreamMoney,
  parseStreamOpen,
  type RailOffer,
  type StreamMoney,
  streamAcceptTemplate,
  streamCloseTemplate,
  streamFlowControlTemplate,
  streamReceiptTemplate,
  unitMs,
} from '../events/index.ts'
import { sentenceOf } from './errors.ts'
import { credited, type HostAccount, hostAccount, unused } from './host-account.ts'
import { inOrder, lastReceipted, queryAll, recallAccounts } from './host-recall.ts'
import type { Relay } from './relay.ts'

/** What a viewer asks the host to take: `amount` more, as the signed 5612 `money` promises. */
export interface Claim {
  readonly session: string
  readonly viewer: string
  readonly sequence: bigint
  readonly amount: bigint
  readonly proof?: StreamMoney['proof']
  readonly money: NostrEvent
}

export interface HostAgentOptions {
  /** The stream's address, and its price as announced. */
  readonly address: string
  readonly price: Price
  /** Digits of the asset behind the point. */
  readonly scale?: number
  /** Ways to pay, told to viewers. */
  readonly rails?: readonly RailOffer[]
  /** How far ahead a viewer may pay, seconds. */
  readonly prepaySeconds?: number
  /**
   * Makes a claim good: gives what arrived, at most its amount, or throws a `SluiceError` whose sentence the viewer hears.
   * Asked again for a claim whose receipt did not get out: the same session and sequence count once.
   */
  collect(claim: Claim): Promise<bigint>
  /** A session is over; `unused` of what was received was not watched, and is the viewer's. */
  onClose?(account: { session: string; viewer: string; received: bigint; unused: bigint }): void
  /** Something could not be read, signed or sent. */
  onProblem?(error: unknown): void
}

const asked: readonly number[] = [kinds.StreamOpen, kinds.StreamMoney, kinds.StreamClose]

/**
 * A host that is its own payee: answers the sessions (5610) and payments (5612) for one of its streams with what it signs
 * itself. The relay opens the stream for as long as these receipts say. State is what stands at the relay: it may be
 * stopped and started anywhere, one at a time. Resolves once it has caught up.
 *
 * Example:
 * ```ts
 * const agent = await hostAgent(relay, { address, price, collect: claim => wallet.redeem(claim) })
 * agent.close()
 * ```
 */
export async function hostAgent(relay: Relay, options: HostAgentOptions) {
  const { address, price, rails = [], scale = 0, prepaySeconds = 3600 } = options
  const me = await relay.signer.pubkey()
  const { accounts, over } = await recallAccounts(relay, me, address)
  /** What the receipts say that are at the relay for certain; without an entry, it is asked. */
  const receipted = new Map<string, bigint>()
  const toMe = { kinds: asked, '#p': [me] }
  const window =
    (price.amount * BigInt(prepaySeconds) * 1000n + unitMs[price.unit] - 1n) / unitMs[price.unit]
  /** One thing after the other, in the order in which they came. */
  let work = Promise.resolve()

  const inTurn = (job: () => Promise<void>): Promise<void> => {
    work = work.then(job).catch(error => options.onProblem?.(error))
    return work
  }
  const send = (template: EventTemplate) => relay.send(template)
  const common = ({ open }: HostAccount) => ({
    session: open.id,
    streamId: open.streamId,
    viewer: open.viewer,
    address,
  })

  async function opened(event: NostrEvent): Promise<void> {
    const open = parseStreamOpen(event)
    if (!open.ok || open.value.payee !== me || open.value.address !== address) return
    if (over.has(event.id) || accounts.has(event.id)) return
    const account = hostAccount(open.value, { maxReceive: window })
    const terms = { status: 'accepted', asset: price.asset, scale, freePreviewSeconds: 0 } as const
    const more = { maxReceive: window, rails, message: '' }
    accounts.set(event.id, account)
    await send(streamAcceptTemplate({ ...common(account), ...terms, ...more }, seconds()))
  }

  async function paid(event: NostrEvent): Promise<void> {
    const read = parseStreamMoney(event)
    const account = read.ok ? accounts.get(read.value.session) : undefined
    if (!read.ok || !account || over.has(account.open.id)) return
    const { session, viewer, sequence, totalSent, proof } = read.value
    const amount = totalSent - account.received
    if (viewer !== account.open.viewer || sequence <= account.sequence || amount < 0n) return
    try {
      const claim = { session, viewer, sequence, amount, proof, money: event }
      const arrived = amount === 0n ? 0n : await options.collect(claim)
      if (arrived < 0n || arrived > amount)
        throw new RangeError('collect gave more than was claimed')
      const after = credited(account, { amount: arrived, sequence }, price, Date.now())
      // From here on the money is the host's, whatever becomes of the receipt: the next one says so as well.
      accounts.set(session, after)
      await receipt(event.id, after)
    } catch (error) {
      options.onProblem?.(error)
      // What was not collected, the viewer hears of; a receipt that did not get out is made good with the next.
      if (accounts.get(session) === account)
        await flow(account, account.maxReceive, sentenceOf(error))
    }
  }

  async function receipt(money: string, account: HostAccount): Promise<void> {
    const { sequence, received: totalReceived, open } = account
    const before = receipted.get(open.id) ?? (await lastReceipted(relay, me, open.id))
    receipted.delete(open.id)
    const paidUntil = Math.floor(account.paidUntil / 1000)
    const figures = { money, sequence, received: totalReceived - before, totalReceived, paidUntil }
    await send(streamReceiptTemplate({ ...common(account), ...figures }, seconds()))
    receipted.set(open.id, totalReceived)
    // Half used up: opened anew before the viewer runs into its end.
    if ((account.maxReceive - totalReceived) * 2n < window)
      await flow(account, totalReceived + window)
  }

  async function flow(account: HostAccount, maxReceive: bigint, blocked?: string): Promise<void> {
    const says = { maxReceive, currentOffset: account.received, blocked, rails }
    await send(streamFlowControlTemplate({ ...common(account), ...says }, seconds()))
    accounts.set(account.open.id, { ...account, maxReceive })
  }

  /** Gives the host's account of the end, whoever ended it. */
  async function settle(
    account: HostAccount,
    reason: CloseReason,
    message?: string,
  ): Promise<void> {
    const { received, open } = account
    over.add(open.id)
    const back = unused(account, price, Date.now())
    const figures = { finalSent: received, finalReceived: received - back, refunded: back }
    const whom = { ...common(account), to: open.viewer, reason, message }
    await send(streamCloseTemplate({ ...whom, ...figures }, seconds()))
    accounts.delete(open.id)
    options.onClose?.({ session: open.id, viewer: open.viewer, received, unused: back })
  }

  async function closed(event: NostrEvent): Promise<void> {
    const read = parseStreamClose(event)
    const account = read.ok ? accounts.get(read.value.session) : undefined
    if (!read.ok || !account || event.pubkey !== account.open.viewer) return
    if (!over.has(account.open.id)) await settle(account, read.value.reason)
  }

  function heard(event: NostrEvent): Promise<void> {
    if (event.kind === kinds.StreamOpen) return opened(event)
    return event.kind === kinds.StreamMoney ? paid(event) : closed(event)
  }

  // What came while nobody was here is answered in the order in which it was written.
  const waiting = new Map<string, NostrEvent>()
  let past = true
  const hear = (event: NostrEvent) =>
    past ? void waiting.set(event.id, event) : void inTurn(() => heard(event))
  const unsubscribe = await new Promise<() => void>((resolve, reject) => {
    const end = relay.subscribe([toMe], {
      onEvent: hear,
      onEose: () => resolve(end),
      onClosed: reject,
    })
  })
  for (const event of await queryAll(relay, toMe)) waiting.set(event.id, event)
  past = false
  for (const event of [...waiting.values()].sort(inOrder)) void inTurn(() => heard(event))
  await work

  return {
    /** Ends a session from the host's side, with a sentence for its viewer. */
    async end(session: string, message: string): Promise<void> {
      await inTurn(async () => {
        const account = accounts.get(session)
        if (account) await settle(account, 'complete', message)
      })
    },
    /** Stops answering; sessions stay as they are. */
    close: (): void => unsubscribe(),
  }
}

export type HostAgent = Awaited<ReturnType<typeof hostAgent>>

const seconds = (): number => Math.floor(Date.now() / 1000)
