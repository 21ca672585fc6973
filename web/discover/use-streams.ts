import { useEffect, useState } from 'preact/hooks'
import { findStreams, followStreams } from '../../client/discover.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'

const TYPING_MS = 300
const none: readonly Stream[] = []

/** The relay's streams, kept up to date; undefined until they are known. */
export function useStreams(): readonly Stream[] | undefined {
  const { relay, info } = useApp()
  const [streams, setStreams] = useState<readonly Stream[] | undefined>(undefined)
  const self = info.value?.self
  useEffect(() => (self ? followStreams(relay, self, setStreams) : undefined), [relay, self])
  return streams
}

/** What the relay finds for a text (NIP-50), also among streams that are long over; asked a moment after typing. */
export function useSearch(text: string): readonly Stream[] {
  const { relay, info } = useApp()
  const [found, setFound] = useState(none)
  const self = info.value?.self
  const words = text.trim()
  useEffect(() => {
    let gone = false
    setFound(none)
    if (!self || words === '') return
    const take = (streams: Stream[]) => {
      if (!gone) setFound(streams)
    }
    // Without an answer what is here already is searched all the same.
    const timer = setTimeout(() => findStreams(relay, self, words).then(take, () => {}), TYPING_MS)
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [relay, self, words])
  return found
}
