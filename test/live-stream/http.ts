import { createHash } from 'node:crypto'
import { type Event, finalizeEvent } from 'nostr-tools'

interface Signer {
  readonly secret: Uint8Array
}

/** Signs a request (NIP-98) as any tool would, sends it, and gives the answer. `more` changes the proof. */
export async function call(
  who: Signer,
  method: string,
  url: string,
  body?: unknown,
  more: { proof?: Event } = {},
) {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const proof = more.proof ?? proofFor(who, method, url, text)
  const response = await fetch(url, {
    method,
    body: text,
    headers: { authorization: `Nostr ${btoa(JSON.stringify(proof))}` },
  })
  const answer = await response.text()
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: answer === '' ? undefined : JSON.parse(answer),
  }
}

export function proofFor(who: Signer, method: string, url: string, text?: string): Event {
  const tags = [
    ['u', url],
    ['method', method],
    // Two requests of one second are two proofs.
    ['nonce', String(Math.random())],
  ]
  if (text !== undefined) tags.push(['payload', createHash('sha256').update(text).digest('hex')])
  const created_at = Math.floor(Date.now() / 1000)
  return finalizeEvent({ kind: 27235, created_at, tags, content: '' }, who.secret)
}
