import { z } from 'zod'
import { pubkeyOf } from '../../policies/pubkeys.ts'
import { ilpOptions } from './rails/ilp/options.ts'

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'needs 64 lowercase hex')
const bp = z.int().min(0).max(10_000)
const credits = z
  .int()
  .min(0)
  .transform(value => BigInt(value))

/** Who gets which part, in basis points of what is due. */
const split = z
  .object({
    creator: bp.default(9000),
    relay: bp.default(500),
    transcoder: bp.default(300),
    protocol: bp.default(200),
    /** Pubkeys (hex) of those that are not the relay itself. */
    transcoderPubkey: hex64.optional(),
    protocolPubkey: hex64.optional(),
  })
  .refine(
    split => split.creator + split.relay + split.transcoder + split.protocol === 10_000,
    'needs shares that sum to 10000 basis points',
  )

/** What holds for single hosts, by npub: a name in strfry.conf cannot begin with a digit, as hex may. */
const hosts = z
  .record(z.string(), z.object({ split: split.optional(), ownPayee: z.boolean().optional() }))
  .transform((terms, issue) => {
    const byHost = new Map<string, (typeof terms)[string]>()
    for (const [name, said] of Object.entries(terms))
      try {
        byHost.set(pubkeyOf(name), said)
      } catch (error) {
        issue.addIssue({ code: 'custom', path: [name], message: (error as Error).message })
      }
    return byHost as ReadonlyMap<string, (typeof terms)[string]>
  })

/** The `paymentStream { }` block of strfry.conf. */
export const paymentOptions = z
  .object({
    /** Ways to fund a session, the preferred first. */
    rails: z
      .array(z.enum(['credit', 'ilp']))
      .min(1)
      .default(['credit']),
    /** Served beyond what is paid, so that a late payment does not stop the picture; due all the same. */
    graceSeconds: z.number().min(0).max(60).default(3),
    /** How far ahead of what is due a viewer may pay: the window of `max_receive`. */
    prepaySeconds: z.int().min(10).default(3600),
    /** Open sessions of one viewer at a time. */
    maxOpenSessions: z.int().min(1).default(10),
    /** Payments (5612) that one viewer may send a second, on average and at once; 0: any number. */
    maxPaymentsPerSecond: z.int().min(0).max(999_999).default(1000),
    /** A 5610 older (or newer) than this is not opened: it may be a replay. */
    maxOpenAgeSeconds: z.int().min(10).default(600),
    /** How long the old price holds in open sessions after a host raised it. */
    noticeSeconds: z.int().min(0).default(300),
    /** A session that serves nothing for so long is closed and refunded. */
    idleSeconds: z.int().min(1).default(600),
    /** The same for one that is paid up while its stream stands still. */
    pausedSeconds: z.int().min(1).default(86_400),
    /** How often open sessions are looked through for the above. */
    watchSeconds: z.int().min(1).default(30),
    /** How long the events of a settled session are kept. The ledger keeps its postings for good. */
    retentionHours: z.int().min(1).default(168),
    split: split.prefault({}),
    /** May hosts be paid directly, by agents of their own? What they take so is not shared. */
    ownPayee: z.boolean().default(false),
    hosts: hosts.prefault({}),
    credit: z
      .object({
        /** CREDIT that a pubkey gets when it first comes; 0 turns it off. */
        welcome: credits.prefault(1000),
        /** All welcome credit together ends here. */
        welcomeCap: credits.prefault(1_000_000),
      })
      .prefault({}),
    ilp: ilpOptions.prefault({}),
    /** Pubkeys (hex) that may grant credit over HTTP, besides the relay's own key. */
    operators: z.array(hex64).default([]),
    /** Rebuild the balances from the journal at start and compare. */
    verifyAtStart: z.boolean().default(true),
  })
  .refine(options => !options.rails.includes('ilp') || options.ilp.address !== '', {
    path: ['ilp', 'address'],
    error: 'needs our ILP address, for example "g.hub.sluice", because rails names ilp',
  })
export type PaymentOptions = z.output<typeof paymentOptions>
