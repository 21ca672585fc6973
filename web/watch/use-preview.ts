import { useEffect, useState } from 'preact/hooks'
import type { Stream } from '../../client/stream-book.ts'
import { isPaid } from '../../events/index.ts'
import { texts } from '../texts.ts'
import type { PlaybackState } from './video.ts'

export interface Preview {
  /** The stream may be watched for a while without paying; the relay knows whether this viewer still may. */
  readonly offered: boolean
  /** Moving video was seen without paying. */
  readonly seen: boolean
  /** Seconds, once it runs. An estimate: the relay's clock counts. */
  readonly left?: number
  readonly text: string
}

/** Counts the free preview down, from the first picture on. */
export function usePreview(stream: Stream, playback: PlaybackState, paid: boolean): Preview {
  const [since, setSince] = useState<number | undefined>(undefined)
  const [now, setNow] = useState(0)
  const offered = isPaid(stream) && stream.freePreviewSeconds > 0
  useEffect(() => {
    if (offered && !paid && playback === 'playing' && since === undefined) {
      setSince(performance.now())
      setNow(performance.now())
    }
  }, [offered, paid, playback, since])
  useEffect(() => {
    if (since === undefined || paid) return
    const timer = setInterval(() => setNow(performance.now()), 500)
    return () => clearInterval(timer)
  }, [since, paid])

  if (!offered || since === undefined) return { offered, seen: false, text: '' }
  const left = Math.max(0, Math.ceil(stream.freePreviewSeconds - (now - since) / 1000))
  return { offered, seen: true, left, text: texts.watch.previewLeft(left) }
}
