import { kinds, parseAmount } from '../events/index.ts'
import { SluiceError } from './errors.ts'
import type { Signer } from './signer.ts'

/**
 * The prepaid balances of the signer's key by asset, from GET /api/v1/balance (NIP-98). `origin` is the relay's
 * http(s) origin. Throws `SluiceError` when the relay tells none.
 *
 * Example: `(await fetchBalance('https://relay.example', signer)).get('CREDIT')`.
 */
export async function fetchBalance(origin: string, signer: Signer): Promise<Map<string, bigint>> {
  const url = `${origin}/api/v1/balance`
  const proof = await signer.sign({
    kind: kinds.HttpAuth,
    created_at: Math.floor(Date.now() / 1000),
    tags: [
      ['u', url],
      ['method', 'GET'],
    ],
    content: '',
  })
  const response = await fetch(url, {
    headers: { Authorization: `Nostr ${btoa(JSON.stringify(proof))}` },
    signal: AbortSignal.timeout(10_000),
  })
  if (!response.ok) throw new SluiceError('The relay does not tell the balance.')
  return read(await response.json())
}

/** Reads `{"balances": {"CREDIT": "1000"}}`. */
function read(body: { balances?: Record<string, string> }): Map<string, bigint> {
  const balances = new Map<string, bigint>()
  for (const [asset, text] of Object.entries(body.balances ?? {})) {
    const amount = parseAmount(text)
    if (amount !== undefined) balances.set(asset, amount)
  }
  return balances
}
