import { isHex64 } from '../events/index.ts'

/** A host name, with a port if need be. */
export const isDomain = (text: string): boolean =>
  /^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?$/.test(text)

/**
 * The names that a domain gives (name -> pubkey in hex) in its /.well-known/nostr.json, all of them or those that it
 * gives for `name`. Redirects are not followed, as NIP-05 demands: they could lead anywhere. Throws when the domain does
 * not answer within `timeoutMs`, answers anything else, or more than `maxBytes`. Source: NIP-05.
 *
 * @example
 * await namesAt('example.com', { name: 'bob', timeoutMs: 5000, maxBytes: 1_000_000 }) // Map { 'bob' => 'b063...' }
 */
export async function namesAt(
  domain: string,
  options: { name?: string; timeoutMs: number; maxBytes: number; signal?: AbortSignal },
): Promise<Map<string, string>> {
  const { name, timeoutMs, maxBytes, signal } = options
  const url = new URL(`${schemeOf(domain)}://${domain}/.well-known/nostr.json`)
  if (name !== undefined) url.searchParams.set('name', name)
  const deadline = AbortSignal.timeout(timeoutMs)
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
  })
  const text = await bodyOf(response, maxBytes)
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}`)
  const names = (JSON.parse(text) as { names?: unknown } | null)?.names
  if (typeof names !== 'object' || names === null) throw new Error(`${url.href} has no names`)
  return new Map(
    Object.entries(names).filter((entry): entry is [string, string] => isHex64(entry[1])),
  )
}

/** Onion services and this machine itself need no TLS; everybody else does. */
const schemeOf = (domain: string): string =>
  /^(localhost|127\.0\.0\.1|.*\.onion)(:\d+)?$/.test(domain) ? 'http' : 'https'

async function bodyOf(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels the download.
    if (bytes > maxBytes) throw new Error(`${response.url} is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
