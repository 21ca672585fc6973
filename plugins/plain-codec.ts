import type { z } from 'zod'

/** A codec between a document's JSON and its value. */
export interface PlainCodec {
  /** What each gives for a value that its shape may not hold: that is for zod to judge. */
  decode(kept: unknown): unknown
  encode(value: unknown): unknown
}

type Step = (value: unknown) => unknown

export const misfit = Symbol('misfit')

/**
 * Checks and converts documents of plain shapes (texts, numbers, booleans, enums, objects and arrays of them, `optional`,
 * and whatever `leaf` stands for) at a tenth of what zod takes. Undefined for a shape that holds anything else.
 */
export function plainCodec(
  shape: z.core.$ZodType,
  leaf: { readonly shape: z.core.$ZodType; readonly decode: Step; readonly encode: Step },
): PlainCodec | undefined {
  const way = (convert: Step) => (one: z.core.$ZodType) =>
    one === leaf.shape ? convert : undefined
  const decode = stepOf(shape, way(leaf.decode))
  const encode = stepOf(shape, way(leaf.encode))
  return decode && encode && { decode, encode }
}

function stepOf(
  shape: z.core.$ZodType,
  leaf: (shape: z.core.$ZodType) => Step | undefined,
): Step | undefined {
  const known = leaf(shape)
  if (known) return known
  const { def } = (shape as z.core.$ZodTypes)._zod
  if (def.checks && def.checks.length > 0) return undefined
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
      return arrayOf(stepOf(def.element, leaf))
    case 'object':
      return def.catchall ? undefined : objectOf(def.shape, leaf)
    default:
      return undefined
  }
}

const only =
  (fits: (value: unknown) => boolean): Step =>
  value =>
    fits(value) ? value : misfit

const arrayOf = (step: Step | undefined): Step | undefined =>
  step &&
  (value => {
    if (!Array.isArray(value)) return misfit
    const converted = value.map(step)
    return converted.includes(misfit) ? misfit : converted
  })

function objectOf(
  shape: z.core.$ZodShape,
  leaf: (shape: z.core.$ZodType) => Step | undefined,
): Step | undefined {
  const fields: { key: string; step: Step; optional: boolean }[] = []
  for (const [key, field] of Object.entries(shape)) {
    const { def } = (field as z.core.$ZodTypes)._zod
    const optional = def.type === 'optional'
    const step = stepOf(optional ? def.innerType : field, leaf)
    if (!step) return undefined
    fields.push({ key, step, optional })
  }
  return value => {
    if (typeof value !== 'object' || value === null) return misfit
    const converted: Record<string, unknown> = {}
    for (const { key, step, optional } of fields) {
      const field = (value as Record<string, unknown>)[key]
      if (field === undefined && optional) continue
      const one = step(field)
      if (one === misfit) return misfit
      converted[key] = one
    }
    return converted
  }
}
