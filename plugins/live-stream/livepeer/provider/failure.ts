/** The provider said no, and will say it again: `status` is a 4xx other than 408 and 429. */
export class ProviderRefused extends Error {
  override name = 'ProviderRefused'
  readonly status: number

  constructor(operation: string, status: number, said: string) {
    super(`livepeer: ${operation} was refused with ${status}${said && `: ${said}`}`)
    this.status = status
  }
}

/** An answer other than 2xx, of a request that did not go through the SDK. */
export class BadAnswer extends Error {
  readonly rawResponse: Response
  readonly body: string

  constructor(rawResponse: Response, body: string) {
    super(`an answer of ${rawResponse.status}`)
    this.rawResponse = rawResponse
    this.body = body
  }
}

export type Failure =
  | { readonly kind: 'refused'; readonly status: number; readonly said: string }
  /** Nothing was done; ask again after so long. */
  | { readonly kind: 'limited'; readonly afterMs: number }
  /** Broken or silent: whether it was done is unknown. */
  | { readonly kind: 'broken'; readonly what: string }

const DEFAULT_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 10 * 60_000

/**
 * What a failed request means. The SDK's errors carry the raw response; everything else broke on the way. Of the error itself
 * nothing is passed on: its text holds whole answers, and answers hold keys.
 */
export function classify(error: unknown, now: number): Failure {
  // Not by instanceof: an HTTP server in this process may have put a Response of its own in the global one's place.
  const { rawResponse, body } = (error ?? {}) as {
    rawResponse?: Pick<Response, 'status' | 'headers'>
    body?: unknown
  }
  const { status = 200, headers } = rawResponse ?? {}
  if (!headers || status < 400) return { kind: 'broken', what: nameOf(error) }
  if (status === 429) return { kind: 'limited', afterMs: retryAfterMs(headers, now) }
  if (status >= 500 || status === 408) return { kind: 'broken', what: `it answered ${status}` }
  return { kind: 'refused', status, said: sentences(body) }
}

/** Retry-After is seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(headers: Headers, now: number): number {
  const text = headers.get('retry-after') ?? ''
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(ms) ? DEFAULT_PAUSE_MS : Math.min(Math.max(ms, 0), LONGEST_PAUSE_MS)
}

/** What the provider says of a refusal, `{"errors":[...]}`, cut short. */
function sentences(body: unknown): string {
  try {
    const { errors } = JSON.parse(String(body)) as { errors?: unknown }
    return Array.isArray(errors) ? errors.map(String).join('; ').slice(0, 300) : ''
  } catch {
    return ''
  }
}

function nameOf(error: unknown): string {
  const { name = '' } = error instanceof Error ? error : {}
  if (/timeout|abort/i.test(name)) return 'it did not answer in time'
  if (/connection|fetch|TypeError/i.test(name)) return 'it could not be reached'
  return 'its answer made no sense'
}
