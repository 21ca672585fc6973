import type { Receipt } from '../../client/session.ts'
import { clockTime, money } from '../app/format.ts'
import { texts } from '../texts.ts'

const t = texts.watch

/** What the relay has signed for in this visit, the newest first. */
export function Receipts({ receipts, asset }: { receipts: readonly Receipt[]; asset: string }) {
  if (receipts.length === 0) return null
  return (
    <details class="receipts">
      <summary>{t.receipts(receipts.length)}</summary>
      <ol>
        {receipts.map(({ id, at, received, paidUntil }) => (
          <li key={id}>
            <time>{clockTime(at)}</time>
            <span>{money(received, asset)}</span>
            <span class="muted">{t.paidUntil(clockTime(paidUntil))}</span>
            <code title={t.receiptId}>{id.slice(0, 8)}</code>
          </li>
        ))}
      </ol>
    </details>
  )
}
