import { useEffect, useState } from 'preact/hooks'
import { followStream } from '../../client/discover.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'

export type Found = { state: 'loading' } | { state: 'missing' } | { state: 'found'; stream: Stream }

/** The stream of an address, kept up to date. */
export function useStream(address: string): Found {
  const { relay, info } = useApp()
  const [found, setFound] = useState<Found>({ state: 'loading' })
  const self = info.value?.self
  useEffect(() => {
    if (!self) return
    return followStream(relay, self, address, stream =>
      setFound(stream ? { state: 'found', stream } : { state: 'missing' }),
    )
  }, [relay, self, address])
  return found
}
