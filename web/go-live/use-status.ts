import { useCallback, useEffect, useState } from 'preact/hooks'
import { ApiRefused } from '../../client/errors.ts'
import { hostApi, type StreamStatus } from '../../client/host-api.ts'
import { useApp } from '../app/app.ts'
import type { StudioState } from './use-studio.ts'

const AGAIN_MS = 5_000

/** What the relay knows of the host's stream; undefined until it is told, or where the relay tells none. */
export function useStatus({ id, signer }: StudioState): [StreamStatus | undefined, () => void] {
  const { origin } = useApp()
  const [status, setStatus] = useState<StreamStatus | undefined>(undefined)
  const [round, setRound] = useState(0)
  useEffect(() => {
    if (!id || !signer) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    const ask = async () => {
      const answer = await hostApi(origin, signer, id)
        .status()
        .catch((error: unknown) => error)
      if (gone) return
      if (!(answer instanceof Error)) setStatus(answer as StreamStatus)
      // A relay without this is not asked again; other signers ask their person each time, so once is enough.
      if (answer instanceof ApiRefused || signer.type !== 'local') return
      timer = setTimeout(ask, AGAIN_MS)
    }
    void ask()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [origin, id, signer, round])
  return [status, useCallback(() => setRound(before => before + 1), [])]
}
