import { useEffect, useRef, useState } from 'preact/hooks'
import { fetchBalance } from '../../client/balance.ts'
import type { SessionState } from '../../client/session.ts'
import { useApp } from '../app/app.ts'

const AGAIN_MS = 15_000

export interface Balance {
  /** Undefined until it is told. */
  readonly balance?: bigint
  /** Asks for it: there where each question is one to the person as well, so that it is not asked by itself. */
  readonly ask?: () => void
}

/** The prepaid balance in an asset: kept up to date for a key of this browser, asked for once by the others. */
export function useBalance(asset: string, state: SessionState | undefined): Balance {
  const { origin, identity, tips } = useApp()
  const signer = identity.signer.value
  const [told, setTold] = useState<{ balance: bigint; paid: bigint } | undefined>(undefined)
  const phase = state?.phase
  const paid = state?.totalReceived ?? 0n
  const paidNow = useRef(paid)
  paidNow.current = paid

  const ask = () => {
    if (!signer) return
    fetchBalance(origin, signer).then(
      balances => {
        const balance = balances.get(asset)
        if (balance !== undefined) setTold({ balance, paid: paidNow.current })
      },
      () => {},
    )
  }
  useEffect(() => {
    if (signer?.type !== 'local') return setTold(undefined)
    ask()
    const timer = setInterval(ask, AGAIN_MS)
    return () => clearInterval(timer)
  }, [origin, signer, asset, phase, tips.value])
  if (!told) return { ask: signer && signer.type !== 'local' ? ask : undefined }
  // What was paid since then is known here: no need to ask for it.
  return { balance: told.balance + told.paid - paid }
}
