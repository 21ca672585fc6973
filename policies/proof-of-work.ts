import { z } from 'zod'
import { isEphemeral, type NostrEvent, tagsNamed } from '../events/index.ts'
import { definePolicy, type Policy } from '../plugins/plugin.ts'

/** Leading zero bits of an id in hex. Source: NIP-13. */
export function difficultyOf(id: string): number {
  const zeros = /^0*/.exec(id)?.[0].length ?? 0
  return (
    zeros * 4 + (zeros < id.length ? Math.clz32(Number.parseInt(id[zeros] ?? 'f', 16)) - 28 : 0)
  )
}

/**
 * NIP-13: an event's id needs so many leading zero bits, and its `nonce` tag must have aimed at that many, so
 * that luck with a lower target does not pass. 0 asks for nothing; `perKind` says otherwise for some kinds.
 *
 * @example
 * proofOfWork({ minDifficulty: 16, perKind: { 0: 20, 30311: 0 } })
 */
export const proofOfWork = (options: {
  minDifficulty: number
  perKind?: Readonly<Record<number, number>>
}): Policy => ({
  name: 'proof-of-work',
  write(event) {
    const minDifficulty = options.perKind?.[event.kind] ?? options.minDifficulty
    if (minDifficulty === 0 || isEphemeral(event.kind)) return { action: 'accept' }
    const has = Math.min(difficultyOf(event.id), targetOf(event))
    if (has >= minDifficulty) return { action: 'accept' }
    return { action: 'reject', msg: `pow: difficulty ${has} is less than ${minDifficulty}` }
  },
})

/** What the author aimed at; an event that does not say is taken at its work. */
function targetOf(event: NostrEvent): number {
  const target = tagsNamed(event, 'nonce')[0]?.[2]
  return target === undefined ? Number.POSITIVE_INFINITY : Number(target) || 0
}

export default definePolicy({
  name: 'proof-of-work',
  options: z.object({
    minDifficulty: z.int().min(0).max(256).default(16),
    /** `kind:difficulty` for kinds that differ, for example ["0:20", "30311:0"]. */
    perKind: z
      .array(z.string().regex(/^\d{1,5}:\d{1,3}$/, 'needs kind:difficulty, for example "1:20"'))
      .default([])
      .transform(list => Object.fromEntries(list.map(text => text.split(':').map(Number)))),
  }),
  create: proofOfWork,
})
