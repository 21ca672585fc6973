import { freeFulfillmentText, moneyFulfillmentText, utf8 } from '../events/index.ts'

/** What the payee answers the packet of a 5612 with; `secret` is the session's, 64 hex. */
export async function moneyFulfillment(
  secret: string,
  streamId: string,
  sequence: bigint,
): Promise<Uint8Array> {
  const name = { name: 'HMAC', hash: 'SHA-256' }
  const bytes = Uint8Array.from({ length: 32 }, (_, i) =>
    Number.parseInt(secret.slice(i * 2, i * 2 + 2), 16),
  )
  const key = await crypto.subtle.importKey('raw', bytes, name, false, ['sign'])
  const text = new Uint8Array(utf8(moneyFulfillmentText(streamId, sequence)))
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, text))
}

/** What the payee answers a packet without money with, which carries the event of that id. */
export const freeFulfillment = (eventId: string): Promise<Uint8Array> =>
  sha256(utf8(freeFulfillmentText(eventId)))

/** The condition that a fulfillment meets. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)))
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
