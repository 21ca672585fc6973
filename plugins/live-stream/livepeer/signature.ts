import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'

/** How far a delivery's time may lie from ours, ms. Every delivery, also a late one, is signed anew when it is sent. */
const FRESH_MS = 5 * 60_000

const eventShape = z.object({
  id: z.string().min(1).max(200),
  /** When it happened, unix ms: the same in every delivery. */
  createdAt: z.number(),
  /** When this delivery was sent, unix ms. */
  timestamp: z.number(),
  event: z.string(),
  stream: z.object({ id: z.string() }).nullish(),
  /** Of a multistream event: which target it is about. */
  payload: z
    .object({ target: z.object({ name: z.string() }).optional().catch(undefined) })
    .nullish()
    .catch(undefined),
})
export type ProviderEvent = z.output<typeof eventShape>

export type Verdict =
  | { readonly ok: true; readonly event: ProviderEvent }
  | { readonly ok: false; readonly status: 400 | 401; readonly error: string }

/**
 * Is this delivery the provider's, and new? `Livepeer-Signature: t=<ms>,v1=<hex>` where v1 is HMAC-SHA256 of the raw body.
 * `t` itself is not signed, so the body's `timestamp` must say the same.
 */
export function verifyDelivery(
  header: string | undefined,
  body: Uint8Array,
  secret: string,
  nowMs: number,
): Verdict {
  const wrong = (error: string): Verdict => ({ ok: false, status: 401, error })
  const fields = (header ?? '').split(',').map(field => field.trim().split('='))
  const t = fields.find(([name]) => name === 't')?.[1]
  const signatures = fields.filter(([name]) => name === 'v1').map(([, value]) => value ?? '')
  const mac = createHmac('sha256', secret).update(body).digest()
  const same = (hex: string): boolean =>
    /^[0-9a-f]{64}$/.test(hex) && timingSafeEqual(Buffer.from(hex, 'hex'), mac)
  if (!signatures.slice(0, 4).some(same)) return wrong('the signature of this webhook is wrong')
  const event = parse(body)
  if (!event) return { ok: false, status: 400, error: 'this webhook is not one that is known here' }
  if (t !== String(event.timestamp)) return wrong('the time of this webhook is not the signed one')
  if (Math.abs(nowMs - event.timestamp) > FRESH_MS)
    return wrong('this webhook is too old, or a clock is wrong')
  return { ok: true, event }
}

function parse(body: Uint8Array): ProviderEvent | undefined {
  try {
    return eventShape.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
      .data
  } catch {
    return undefined
  }
}
