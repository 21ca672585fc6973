import { z } from 'zod'
import { kindList, pubkeyList } from '../../policies/pubkeys.ts'

const fee = z.object({
  amount: z.int().min(0),
  unit: z.string().default('msats'),
  /** Seconds that the fee pays for. */
  period: z.int().min(1).optional(),
})

/** The `membership { }` block of strfry.conf. */
export const membershipOptions = z.object({
  /** Members by office: they add and remove members over HTTP. Hex or npub. */
  operators: pubkeyList.default([]),
  /** Who writes: members, or everybody (then membership is only a list). */
  writes: z.enum(['members', 'all']).default('members'),
  /** Kinds that everybody may write. */
  openKinds: kindList.default([]),
  /** Who reads: everybody, or members. */
  reads: z.enum(['members', 'all']).default('all'),
  /** Kinds that everybody may read. */
  publicKinds: kindList.default([]),
  /** Invite codes that never end and anybody may use, for a poster. */
  codes: z.array(z.string().min(4, 'needs at least 4 characters')).default([]),
  /** Who finds an invite code of their own when they ask for kind 28935; each lets one person in. */
  invites: z.enum(['nobody', 'operators', 'members']).default('operators'),
  inviteDays: z.int().min(1).max(365).default(7),
  maxMembers: z.int().min(1).max(100_000).default(5000),
  /** Whether the member list (13534) and its changes (8000, 8001) are published. */
  published: z.boolean().default(true),
  /** Roles by their id; what a role may do is up to other policies. */
  roles: z
    .record(
      z.string(),
      z.object({
        label: z.string().optional(),
        description: z.string().optional(),
        /** A hue. */
        color: z.int().min(0).max(360).optional(),
        order: z.int().optional(),
      }),
    )
    .default({}),
  /** Roles of who joins with a code. */
  joinRoles: z.array(z.string()).default([]),
  /** Announced in NIP-11; who has paid is added over HTTP by whoever takes the money. */
  fees: z.object({ admission: fee.optional(), subscription: fee.optional() }).default({}),
  paymentsUrl: z.url().optional(),
})
export type MembershipOptions = z.output<typeof membershipOptions>
