import { createHash } from 'node:crypto'
import { type Filter, isHex64, parseAddress } from '../events/index.ts'
import { tagConditions } from './filter.ts'

const REGISTERS = 256

/**
 * NIP-45's offset for a filter: fixed by the value of its one tag condition, so that relays' registers can be
 * merged. Undefined where the filter has more or fewer tag values than one.
 */
export function hllOffset(filter: Filter): number | undefined {
  const conditions = tagConditions(filter)
  const [value, ...more] = conditions.flatMap(condition => condition.values)
  if (conditions.length !== 1 || value === undefined || more.length > 0) return undefined
  const hex = isHex64(value)
    ? value
    : (parseAddress(value)?.pubkey ?? createHash('sha256').update(value).digest('hex'))
  return Number.parseInt(hex.charAt(32), 16) + 8
}

/** The registers for these authors (hex), 512 hex: the byte at the offset chooses, the zeros behind it count. */
export function hyperLogLog(pubkeys: Iterable<string>, offset: number): string {
  const registers = Buffer.alloc(REGISTERS)
  for (const pubkey of pubkeys) {
    const bytes = Buffer.from(pubkey, 'hex')
    const index = bytes[offset] ?? 0
    let zeros = 0
    for (const byte of bytes.subarray(offset + 1)) {
      zeros += byte === 0 ? 8 : Math.clz32(byte) - 24
      if (byte !== 0) break
    }
    registers[index] = Math.max(registers[index] ?? 0, zeros + 1)
  }
  return registers.toString('hex')
}
