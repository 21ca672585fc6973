import { isHex64 } from '../events/index.ts'
import { NotASluice } from './errors.ts'

/** A way to pay that a relay offers. */
export interface PaymentRail {
  readonly id: string
  readonly asset: string
  /** Decimal places of the asset. */
  readonly scale: number
  /** Whether what is paid in can be paid out again. */
  readonly redeemable: boolean
}

/** What the SDK reads of a relay's NIP-11 document. */
export interface RelayInfo {
  readonly name: string
  readonly description: string
  /** Where its operator is reached, as the operator wrote it; empty where none is told. */
  readonly contact: string
  /** The relay's own pubkey: who is paid, and who issues receipts and grants. */
  readonly self: string
  readonly rails: readonly PaymentRail[]
}

/**
 * The relay's NIP-11 document. Throws `NotASluice` when it cannot be had or names no `self`.
 * Example: `(await relayInfo('wss://relay.example')).self`.
 */
export async function relayInfo(url: string, signal?: AbortSignal): Promise<RelayInfo> {
  const document = await fetchJson(httpUrl(url), signal).catch((cause: unknown) => {
    throw new NotASluice(cause)
  })
  const { name, description, contact, self, payment_rails } = document as Record<string, unknown>
  if (typeof self !== 'string' || !isHex64(self)) throw new NotASluice()
  return {
    name: text(name),
    description: text(description),
    contact: text(contact),
    self,
    rails: Array.isArray(payment_rails) ? payment_rails.flatMap(railOf) : [],
  }
}

/** `wss://host/x` is `https://host/x` to HTTP; one port serves both. */
export const httpUrl = (url: string): string => url.replace(/^ws/, 'http')

async function fetchJson(url: string, signal?: AbortSignal): Promise<unknown> {
  const headers = { Accept: 'application/nostr+json' }
  const response = await fetch(url, { headers, signal: signal ?? AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Error(`NIP-11: HTTP ${response.status}`)
  return response.json()
}

function railOf(rail: unknown): PaymentRail[] {
  const { id, asset, scale, redeemable } = (rail ?? {}) as Record<string, unknown>
  if (typeof id !== 'string' || typeof asset !== 'string') return []
  return [{ id, asset, scale: Number(scale ?? 0), redeemable: redeemable === true }]
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
