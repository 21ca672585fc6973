import type { LocalSigner } from '../../client/local-signer.ts'
import {
  type EventTemplate,
  grantTemplate,
  kinds,
  type NostrEvent,
  tagValue,
} from '../../events/index.ts'
import type { WireServer } from './wire-server.ts'

/** What a relay that sells a stream at 10 a second answers, as docs/events.md says. */
export function seller(
  server: WireServer,
  self: LocalSigner,
  settings: { balance: bigint; limit?: bigint },
) {
  let from = 0
  let received = 0n
  server.onEvent = event => {
    if (event.kind === kinds.StreamOpen) void accept(event)
    if (event.kind === kinds.StreamMoney) return money(event)
    if (event.kind === kinds.StreamClose) void settle(event)
    return undefined
  }

  /** The payee's account: what was not used goes back. */
  async function settle(close: NostrEvent): Promise<void> {
    await put({
      kind: kinds.StreamClose,
      tags: [
        ...common(tagValue(close, 'e') ?? '', close),
        ['reason', 'cancelled'],
        ['final_received', String(received / 2n)],
      ],
    })
  }

  async function accept(open: NostrEvent): Promise<void> {
    await put({
      kind: kinds.StreamAccept,
      tags: [
        ...common(open.id, open),
        ['status', 'accepted'],
        ['max_receive', String(settings.limit ?? 1_000_000n)],
      ],
    })
  }

  function money(event: NostrEvent): string | undefined {
    const total = BigInt(tagValue(event, 'total_sent') ?? '0')
    if (total > settings.balance) return 'restricted: your balance is used up'
    if (settings.limit !== undefined && total > settings.limit) {
      void raise(event, total)
      return 'restricted: this is above max_receive'
    }
    from ||= now()
    const paid = total - received
    received = total
    void receipt(event, paid)
    return undefined
  }

  /** The new limit comes after the refusal that it belongs to, or before: the viewer must not care. */
  async function raise(event: NostrEvent, total: bigint): Promise<void> {
    settings.limit = total + 1000n
    const tags = [
      ['max_receive', String(settings.limit)],
      ['current_offset', String(received)],
    ]
    const open = tagValue(event, 'e') ?? ''
    await put({ kind: kinds.StreamFlowControl, tags: [...common(open, event), ...tags] })
  }

  async function receipt(event: NostrEvent, paid: bigint): Promise<void> {
    const open = tagValue(event, 'e') ?? ''
    await put({
      kind: kinds.StreamReceipt,
      tags: [
        ['e', event.id, '', 'money'],
        ...common(open, event),
        ['sequence', tagValue(event, 'sequence') ?? ''],
        ['received', String(paid)],
        ['total_received', String(received)],
        ['paid_until', String(from + Number(received / 10n))],
      ],
    })
    const expiresAt = now() + 300
    const grant = { token: `token-${received}`, playbackUrl: 'http://x/p/t/master.m3u8' }
    const content = await self.encrypt(
      event.pubkey,
      JSON.stringify({ ...grant, qualities: [], expiresAt }),
    )
    const address = tagValue(event, 'a') ?? ''
    const template = grantTemplate({
      grantee: event.pubkey,
      address,
      role: 'viewer',
      session: open,
      createdAt: now(),
      expiresAt,
      content,
    })
    server.put(await self.sign(template))
  }

  const common = (open: string, event: NostrEvent): string[][] => [
    ['e', open, '', 'open'],
    ['stream_id', tagValue(event, 'stream_id') ?? ''],
    ['p', event.pubkey],
    ['a', tagValue(event, 'a') ?? ''],
  ]

  async function put(template: Pick<EventTemplate, 'kind' | 'tags'>): Promise<void> {
    server.put(await self.sign({ ...template, created_at: now(), content: '' }))
  }
}

const now = (): number => Math.floor(Date.now() / 1000)
