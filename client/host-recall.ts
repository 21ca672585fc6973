import {
  type Filter,
  kinds,
  type NostrEvent,
  parseStreamAccept,
  parseStreamClose,
  parseStreamOpen,
  parseStreamReceipt,
} from '../events/index.ts'
import { type HostAccount, hostAccount } from './host-account.ts'
import type { Relay } from './relay.ts'

/** Every stored event that matches, however many a relay gives at once; oldest first, of one second by kind. */
export async function queryAll(relay: Relay, filter: Filter): Promise<NostrEvent[]> {
  const found = new Map<string, NostrEvent>()
  for (let until: number | undefined; ; ) {
    const page = await relay.query([until === undefined ? filter : { ...filter, until }])
    const known = found.size
    for (const event of page) found.set(event.id, event)
    if (found.size === known) return [...found.values()].sort(inOrder)
    // The oldest second may be cut in the middle: it is asked for once more.
    until = Math.min(...page.map(event => event.created_at))
  }
}

/** Of one second, a session is opened, paid and closed in the order of its kinds. */
export const inOrder = (a: NostrEvent, b: NostrEvent): number =>
  a.created_at - b.created_at || a.kind - b.kind

/** Where the host left its sessions of that stream, from what it signed: `over` are those that it closed. */
export async function recallAccounts(
  relay: Relay,
  me: string,
  address: string,
): Promise<{ accounts: Map<string, HostAccount>; over: Set<string> }> {
  const about = { '#a': [address] }
  const mine = { ...about, authors: [me] }
  const [opens, accepts, receipts, closes] = await Promise.all([
    queryAll(relay, { ...about, kinds: [kinds.StreamOpen], '#p': [me] }),
    queryAll(relay, { ...mine, kinds: [kinds.StreamAccept] }),
    queryAll(relay, { ...mine, kinds: [kinds.StreamReceipt] }),
    queryAll(relay, { ...mine, kinds: [kinds.StreamClose] }),
  ])
  const accounts = new Map<string, HostAccount>()
  for (const event of accepts) {
    const accept = parseStreamAccept(event)
    const open = accept.ok ? opens.find(({ id }) => id === accept.value.session) : undefined
    const read = open && parseStreamOpen(open)
    if (accept.ok && read?.ok)
      accounts.set(read.value.id, hostAccount(read.value, { maxReceive: accept.value.maxReceive }))
  }
  for (const event of receipts) {
    const receipt = parseStreamReceipt(event)
    const account = receipt.ok ? accounts.get(receipt.value.session) : undefined
    if (!receipt.ok || !account) continue
    const { totalReceived: received, sequence, paidUntil } = receipt.value
    const from = { maxReceive: account.maxReceive, received, sequence, paidUntil: paidUntil * 1000 }
    accounts.set(account.open.id, hostAccount(account.open, from))
  }
  const over = new Set<string>()
  for (const event of closes) {
    const close = parseStreamClose(event)
    if (!close.ok) continue
    over.add(close.value.session)
    accounts.delete(close.value.session)
  }
  return { accounts, over }
}

/** What the host's receipt of that session says it received in all: the relay keeps the newest. */
export async function lastReceipted(relay: Relay, me: string, session: string): Promise<bigint> {
  const filter = { kinds: [kinds.StreamReceipt], authors: [me], '#e': [session] }
  const [newest] = await relay.query([filter])
  const said = newest && parseStreamReceipt(newest)
  return said?.ok ? said.value.totalReceived : 0n
}
