import { useEffect, useRef, useState } from 'preact/hooks'
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
  const [told, setTold] = useState<{ balance: bigint; paid: bigint } | undefined>(undefined)
  const phase = state?.phase
  const paid = state?.totalReceived ?? 0n
  const paidNow = useRef(paid)
  paidNow.current = paid
  useEffect(() => {
    if (signer?.type !== 'local') return
    const ask = () =>
      fetchBalance(origin, signer).then(
        balances => {
          const balance = balances.get(asset)
          if (balance !== undefined) setTold({ balance, paid: paidNow.current })
        },
        () => {},
      )
    void ask()
    const timer = setInterval(ask, AGAIN_MS)
    return () => clearInterval(timer)
  }, [origin, signer, asset, phase])
  // What was paid since then is known here: no need to ask for it.
  return told && told.balance + told.paid - paid
}
