import { hashPayload } from 'nostr-tools/nip98'
import { kinds } from '../events/index.ts'
import { ApiRefused, RelayTimeout } from './errors.ts'
import type { Signer } from './signer.ts'

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: object
}

const TIMEOUT_MS = 10_000

/**
 * Asks a relay's HTTP API as the signer's key (NIP-98) and gives the JSON of its answer. `url` is absolute. Rejects with
 * `ApiRefused` and the relay's sentence, `RelayTimeout`, or what signing threw.
 *
 * Example: `await api('https://relay.example/api/v1/balance', signer)`.
 */
export async function api(
  url: string,
  signer: Signer,
  { method = 'GET', body }: ApiRequest = {},
): Promise<unknown> {
  const proof = await signer.sign({
    kind: kinds.HttpAuth,
    created_at: Math.floor(Date.now() / 1000),
    tags: [['u', url], ['method', method], ...(body ? [['payload', hashPayload(body)]] : [])],
    content: '',
  })
  const response = await fetch(url, {
    method,
    headers: { Authorization: `Nostr ${btoa(JSON.stringify(proof))}` },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => {
    throw new RelayTimeout()
  })
  const answer: unknown = await response.json().catch(() => undefined)
  const { error, detail = error } = (answer ?? {}) as { error?: unknown; detail?: unknown }
  if (!response.ok || error !== undefined)
    throw new ApiRefused(response.status, typeof detail === 'string' ? detail : '')
  return answer
}

/**
 * Calls a method of the relay's management API as an administrator. Source: NIP-86.
 * Example: `await manage('https://relay.example', signer, 'banpubkey', [pubkey, 'spam'])`.
 */
export async function manage(
  origin: string,
  signer: Signer,
  method: string,
  params: readonly unknown[] = [],
): Promise<unknown> {
  const answer = await api(origin, signer, { method: 'POST', body: { method, params } })
  return (answer as { result?: unknown }).result
}
