import type { Fraction } from './model.ts'

const DECIMAL = /^(\d{1,15})(?:\.(\d{1,12}))?$/

/** Reads `0.10` exactly, in units of 10^-scale; undefined for what is no decimal number from 0 on. */
export function parseDecimal(text: string, scale: number): Fraction | undefined {
  const [, whole, digits = ''] = DECIMAL.exec(text) ?? []
  if (whole === undefined) return undefined
  return {
    over: BigInt(whole + digits) * 10n ** BigInt(scale),
    under: 10n ** BigInt(digits.length),
  }
}

/** `9.00` from 9000000n at scale 6: as many digits as it takes, two at least. */
export function formatDecimal(amount: bigint, scale: number): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const rest = digits.slice(digits.length - scale).replace(/0+$/, '')
  const tail = scale === 0 ? '' : `.${rest.padEnd(Math.min(2, scale), '0')}`
  return `${amount < 0n ? '-' : ''}${whole}${tail}`
}
