import { z } from 'zod'
import { isIlpAddress } from '../../../../events/index.ts'

const units = z
  .int()
  .min(0)
  .transform(value => BigInt(value))

/** The `ilp { }` block of `paymentStream`. */
export const ilpOptions = z.object({
  /** Packets to this ILP address, and to what lies below it, are ours. */
  address: z
    .string()
    .default('')
    .refine(
      text => text === '' || isIlpAddress(text),
      'needs an ILP address, for example "g.hub.sluice"',
    ),
  /** What packets are paid in: asset code, and its digits behind the point. */
  asset: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'needs an asset code, for example "USD"')
    .refine(code => code !== 'CREDIT', 'cannot be CREDIT, which is not redeemable and never mixes')
    .default('USD'),
  scale: z.int().min(0).max(18).default(6),
  /** The most that one packet may bring. */
  maxPacketAmount: units.prefault(1_000_000_000),
  /** The most that one peer may owe before it settles; 0: as much as it likes. */
  maxOwed: units.prefault(0),
  /** A packet that expires sooner than this is not begun: its FULFILL could come too late to be paid. */
  expiryMarginMs: z.int().min(0).max(30_000).default(500),
})
export type IlpOptions = z.output<typeof ilpOptions>
