import { useEffect, useState } from 'preact/hooks'
import { fetchBalance } from '../../client/balance.ts'
import type { SessionState } from '../../client/session.ts'
import { useApp } from '../app/app.ts'

const AGAIN_MS = 15_000

/**
 * The prepaid balance in an asset, for a key that signs without asking a person; undefined where there is none
 * or the relay tells none.
 */
export function useBalance(asset: string, state: SessionState | undefined): bigint | undefined {
  const { origin, identity } = useApp()
  const signer = identity.signer.value
  const [balance, setBalance] = useState<bigint | undefined>(undefined)
  const phase = state?.phase
  useEffect(() => {
    if (signer?.type !== 'local') return
    const ask = () =>
      fetchBalance(origin, signer).then(
        balances => setBalance(balances.get(asset)),
        () => {},
      )
    void ask()
    const timer = setInterval(ask, AGAIN_MS)
    return () => clearInterval(timer)
  }, [origin, signer, asset, phase])
  return balance
}
