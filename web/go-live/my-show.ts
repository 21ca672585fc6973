import type { Show } from '../../client/host.ts'
import { randomHex } from '../../client/random.ts'
import { MAX_AMOUNT, parsePrice, type TimeUnit } from '../../events/index.ts'
import { texts } from '../texts.ts'

const KEY = 'sluice.show'
const MAX_PREVIEW = 3600
const MAX_TAGS = 10

/** What stands in the form, as it was typed. */
export interface GoLiveInput {
  readonly title: string
  readonly summary: string
  readonly image: string
  readonly category: string
  readonly tags: string
  /** As `datetime-local` gives it; empty for now. */
  readonly starts: string
  readonly amount: string
  readonly unit: TimeUnit
  readonly asset: string
  readonly preview: string
  readonly chat: 'open' | 'grant'
}

export const emptyInput: GoLiveInput = {
  title: '',
  summary: '',
  image: '',
  category: '',
  tags: '',
  starts: '',
  amount: '10',
  unit: 'second',
  asset: 'CREDIT',
  preview: '30',
  chat: 'open',
}

/** What the form says, as an announcement; or the sentence that says what is wrong with it. */
export function showOf(input: GoLiveInput, now = Date.now()): Show | string {
  const amount = input.amount.trim()
  if (!/^\d{1,18}$/.test(amount) || BigInt(amount) > MAX_AMOUNT) return texts.goLive.badPrice
  const preview = Number(input.preview.trim() || 0)
  if (!Number.isInteger(preview) || preview < 0 || preview > MAX_PREVIEW)
    return texts.goLive.badPreview
  const image = input.image.trim()
  if (image !== '' && !(URL.canParse(image) && new URL(image).protocol === 'https:'))
    return texts.goLive.badImage
  const starts = input.starts === '' ? now : Date.parse(input.starts)
  if (!Number.isFinite(starts)) return texts.goLive.badStart
  const price = { amount: BigInt(amount), unit: input.unit, asset: input.asset }
  const paid = price.amount > 0n
  return {
    d: randomHex(8),
    status: 'planned',
    title: input.title.trim(),
    summary: input.summary.trim() || undefined,
    image: image || undefined,
    hashtags: hashtagsOf(input),
    price: paid ? price : undefined,
    freePreviewSeconds: paid ? preview : undefined,
    chat: input.chat === 'grant' && paid ? 'grant' : undefined,
    starts: Math.floor(starts / 1000),
  }
}

/** The category first, then what was typed, apart by commas or spaces. */
function hashtagsOf({ category, tags }: GoLiveInput): string[] {
  const typed = tags.split(/[\s,]+/).map(tag => tag.replace(/^#/, '').toLowerCase())
  return [...new Set([category, ...typed])].filter(tag => tag !== '').slice(0, MAX_TAGS)
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
