import type { z } from 'zod'

/** Gives a value as its document holds it, or `misfit` for one that its shape does not allow. */
export type Encoder = (value: unknown) => unknown

export const misfit = Symbol('misfit')

/**
 * Encodes values of plain shapes (texts, numbers, booleans, enums, objects and arrays of them, `min` of arrays, `optional`, and the shapes that
 * `known` has an encoder for) as zod does, at a third of the cost: zod compiles its way from a document to a value, not the way
 * back. Undefined for a shape that holds anything else.
 */
export function plainEncoder(
  shape: z.core.$ZodType,
  known: ReadonlyMap<z.core.$ZodType, Encoder>,
): Encoder | undefined {
  const own = known.get(shape)
  if (own) return own
  const { def } = (shape as z.core.$ZodTypes)._zod
  const least = def.type === 'array' ? leastOf(def.checks) : undefined
  if (def.checks && def.checks.length > 0 && least === undefined) return undefined
  switch (def.type) {
    case 'string':
      return 'format' in def ? undefined : only(value => typeof value === 'string')
    case 'number':
      return 'format' in def ? undefined : only(Number.isFinite)
    case 'boolean':
      return only(value => typeof value === 'boolean')
    case 'enum': {
      const values = new Set<unknown>(Object.values(def.entries))
      return only(value => values.has(value))
    }
    case 'array':
      return arrayOf(plainEncoder(def.element, known), least)
    case 'object':
      return def.catchall ? undefined : objectOf(def.shape, known)
    default:
      return undefined
  }
}

const only =
  (fits: (value: unknown) => boolean): Encoder =>
  value =>
    fits(value) ? value : misfit

/** The length that `min(n)` asks for, where nothing else is asked. */
function leastOf(checks: readonly z.core.$ZodCheck<never>[] = []): number | undefined {
  const [only, ...more] = checks
  const def = only?._zod.def as z.core.$ZodCheckMinLengthDef | undefined
  return def?.check === 'min_length' && more.length === 0 ? def.minimum : undefined
}

const arrayOf = (element: Encoder | undefined, least = 0): Encoder | undefined =>
  element &&
  (value => {
    if (!Array.isArray(value) || value.length < least) return misfit
    const encoded = value.map(element)
    return encoded.includes(misfit) ? misfit : encoded
  })

function objectOf(
  shape: z.core.$ZodShape,
  known: ReadonlyMap<z.core.$ZodType, Encoder>,
): Encoder | undefined {
  const fields: { key: string; encode: Encoder; optional: boolean }[] = []
  for (const [key, field] of Object.entries(shape)) {
    const { def } = (field as z.core.$ZodTypes)._zod
    const optional = def.type === 'optional'
    const encode = plainEncoder(optional ? def.innerType : field, known)
    if (!encode) return undefined
    fields.push({ key, encode, optional })
  }
  return value => {
    if (typeof value !== 'object' || value === null) return misfit
    const encoded: Record<string, unknown> = {}
    for (const { key, encode, optional } of fields) {
      const field = (value as Record<string, unknown>)[key]
      if (field === undefined && optional) continue
      const one = encode(field)
      if (one === misfit) return misfit
      encoded[key] = one
    }
    return encoded
  }
}
