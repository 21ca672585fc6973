import * as nip19 from 'nostr-tools/nip19'
import { perHour } from '../../client/schedule.ts'
import { kinds, type Price, parseAddress } from '../../events/index.ts'
import { texts } from '../texts.ts'

const number = new Intl.NumberFormat('en')
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exact = new Intl.DateTimeFormat('en', {
  dateStyle: 'medium',
  timeStyle: 'medium',
  hourCycle: 'h23',
})
const dateTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

/** What an asset is called: `credits`, `SAT`. */
export const assetName = (asset: string, amount = 2n): string =>
  asset === 'CREDIT' ? texts.money.credit(amount) : asset

/** `1,200 credits`, `21 SAT`. */
export const money = (amount: bigint, asset: string): string =>
  texts.money.amount(number.format(amount), assetName(asset, amount))

/** `10 credits a second`. */
export const priceText = (price: Price): string =>
  texts.money.price(money(price.amount, price.asset), price.unit)

/** `36,000 credits an hour`. */
export const hourText = (price: Price): string =>
  texts.money.perHour(money(perHour(price), price.asset))

/** `10 credits a second, 36,000 credits an hour`. */
export const fullPriceText = (price: Price): string =>
  price.unit === 'hour' ? priceText(price) : `${priceText(price)}, ${hourText(price)}`

/** `0:07`, `12:30`, `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const pad = (value: number) => String(value).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`
}

/** `in 2 hours`, `5 minutes ago`, or a date when it is further than a day. Unix seconds. */
export function when(seconds: number, now = Date.now() / 1000): string {
  const away = Math.round(seconds - now)
  const [minutes, hours] = [Math.round(away / 60), Math.round(away / 3600)]
  if (Math.abs(away) < 60) return relative.format(0, 'minute')
  if (Math.abs(minutes) < 60) return relative.format(minutes, 'minute')
  if (Math.abs(hours) < 24) return relative.format(hours, 'hour')
  return dateTime.format(seconds * 1000)
}

/** `Nov 21, 2026, 03:02:14`, for records. Unix ms. */
export const moment = (ms: number): string => exact.format(ms)

/** `14:05`. Unix seconds. */
export const clockTime = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleTimeString('en', {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  })

/** `npub1abcd…wxyz`. */
export function shortKey(pubkey: string): string {
  const npub = nip19.npubEncode(pubkey)
  return `${npub.slice(0, 9)}…${npub.slice(-4)}`
}

/** The name of a stream for links and other clients (NIP-19). */
export function naddrOf(address: string): string {
  const { pubkey = '', d = '' } = parseAddress(address) ?? {}
  return nip19.naddrEncode({ kind: kinds.LiveStream, pubkey, identifier: d })
}

/** The page of a stream. */
export const watchPath = (address: string): string => `/watch/${naddrOf(address)}`

/** The page of a stream to be shown inside other pages. */
export const embedPath = (address: string): string => `/embed/${naddrOf(address)}`

/** The stream's address that an naddr names; undefined for anything else. */
export function addressOfNaddr(naddr: string): string | undefined {
  try {
    const { type, data } = nip19.decode(naddr)
    if (type !== 'naddr' || data.kind !== kinds.LiveStream) return undefined
    return `${data.kind}:${data.pubkey}:${data.identifier}`
  } catch {
    return undefined
  }
}

/** A picture's URL if it may be shown: https or this relay's own, so that no page of ours fetches anything odd. */
export const pictureUrl = (url: string | undefined): string | undefined =>
  url && URL.canParse(url) && isShown(new URL(url)) ? url : undefined

const isShown = ({ protocol, origin }: URL): boolean =>
  protocol === 'https:' || origin === globalThis.location?.origin
