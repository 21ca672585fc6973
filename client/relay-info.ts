import { isHex64 } from '../events/index.ts'
import { NotASluice } from './errors.ts'

/** What the SDK reads of a relay's NIP-11 document. */
export interface RelayInfo {
  readonly name: string
  readonly description: string
  /** The relay's own pubkey: who is paid, and who issues receipts and grants. */
  readonly self: string
}

/**
 * The relay's NIP-11 document. Throws `NotASluice` when it cannot be had or names no `self`.
 * Example: `(await relayInfo('wss://relay.example')).self`.
 */
export async function relayInfo(url: string, signal?: AbortSignal): Promise<RelayInfo> {
  const document = await fetchJson(httpUrl(url), signal).catch((cause: unknown) => {
    throw new NotASluice(cause)
  })
  const { name, description, self } = document as Record<string, unknown>
  if (typeof self !== 'string' || !isHex64(self)) throw new NotASluice()
  return { name: text(name), description: text(description), self }
}

/** `wss://host/x` is `https://host/x` to HTTP; one port serves both. */
export const httpUrl = (url: string): string => url.replace(/^ws/, 'http')

async function fetchJson(url: string, signal?: AbortSignal): Promise<unknown> {
  const headers = { Accept: 'application/nostr+json' }
  const response = await fetch(url, { headers, signal: signal ?? AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Error(`NIP-11: HTTP ${response.status}`)
  return response.json()
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
