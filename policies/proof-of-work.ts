import { isEphemeral, type NostrEvent, tagsNamed } from '../events/index.ts'
import type { Policy } from '../plugins/plugin.ts'

/** Leading zero bits of an id in hex. Source: NIP-13. */
export function difficultyOf(id: string): number {
  const zeros = /^0*/.exec(id)?.[0].length ?? 0
  return (
    zeros * 4 + (zeros < id.length ? Math.clz32(Number.parseInt(id[zeros] ?? 'f', 16)) - 28 : 0)
  )
}

/**
 * NIP-13: an event's id needs so many leading zero bits, and its `nonce` tag must have aimed at that many, so
 * that luck with a lower target does not pass. 0 asks for nothing.
 *
 * @example
 * proofOfWork({ minDifficulty: 16 })
 */
export const proofOfWork = ({ minDifficulty }: { minDifficulty: number }): Policy => ({
  name: 'proof-of-work',
  write(event) {
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
