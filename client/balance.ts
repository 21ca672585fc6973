import { parseAmount } from '../events/index.ts'
import { api } from './api.ts'
import type { Signer } from './signer.ts'

/**
 * The prepaid balances of the signer's key by asset, from GET /api/v1/balance (NIP-98). `origin` is the relay's
 * http(s) origin. Rejects as `api` does.
 *
 * Example: `(await fetchBalance('https://relay.example', signer)).get('CREDIT')`.
 */
export async function fetchBalance(origin: string, signer: Signer): Promise<Map<string, bigint>> {
  const answer = await api(`${origin}/api/v1/balance`, signer)
  const { balances = {} } = answer as { balances?: Record<string, string> }
  const read = Object.entries(balances).map(([asset, text]) => [asset, parseAmount(text)] as const)
  return new Map(read.filter((entry): entry is [string, bigint] => entry[1] !== undefined))
}
