import type { Stream } from '../../client/stream-book.ts'
import { texts } from '../texts.ts'

/** Live, starting, planned or ended. */
export function Badge({ phase }: { phase: Stream['phase'] }) {
  const text = {
    live: texts.discover.liveBadge,
    starting: texts.discover.starting,
    planned: texts.discover.planned,
    ended: texts.discover.endedBadge,
  }[phase]
  return <span class={`badge ${phase}`}>{text}</span>
}
