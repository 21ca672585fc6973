import type { Show } from '../../client/host.ts'
import { randomHex } from '../../client/random.ts'
import { MAX_AMOUNT, parsePrice, type TimeUnit } from '../../events/index.ts'
import { texts } from '../texts.ts'

const KEY = 'sluice.show'
const MAX_PREVIEW = 3600

export interface GoLiveInput {
  readonly title: string
  readonly amount: string
  readonly unit: TimeUnit
  readonly preview: string
}

/** What the form says, as an announcement; or the sentence that says what is wrong with it. */
export function showOf(input: GoLiveInput): Show | string {
  const amount = input.amount.trim()
  if (!/^\d{1,18}$/.test(amount) || BigInt(amount) > MAX_AMOUNT) return texts.goLive.badPrice
  const preview = Number(input.preview.trim() || 0)
  if (!Number.isInteger(preview) || preview < 0 || preview > MAX_PREVIEW)
    return texts.goLive.badPreview
  const price = { amount: BigInt(amount), unit: input.unit, asset: 'CREDIT' }
  return {
    d: randomHex(8),
    status: 'planned',
    title: input.title.trim(),
    price: price.amount > 0n ? price : undefined,
    freePreviewSeconds: price.amount > 0n ? preview : undefined,
    starts: Math.floor(Date.now() / 1000),
  }
}

/** The show that this browser announced last, so that its OBS details are there after a reload. */
export function rememberedShow(): Show | undefined {
  const text = localStorage.getItem(KEY)
  if (!text) return undefined
  try {
    const { price, ...show } = JSON.parse(text) as Show & { price?: string[] }
    const parsed = price && parsePrice(price)
    return { ...show, price: parsed?.ok ? parsed.value : undefined }
  } catch {
    return undefined
  }
}

export function rememberShow(show: Show): void {
  const { price } = show
  const tag = price && ['price', String(price.amount), price.unit, price.asset]
  localStorage.setItem(KEY, JSON.stringify({ ...show, price: tag }))
}

export const forgetShow = (): void => localStorage.removeItem(KEY)
