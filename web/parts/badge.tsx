import type { Stream } from '../../client/stream-book.ts'
import { texts } from '../texts.ts'

/** Live, starting, planned, ended, or ended with a recording. */
export function Badge({ phase, recorded }: { phase: Stream['phase']; recorded?: boolean }) {
  const text = {
    live: texts.discover.liveBadge,
    starting: texts.discover.starting,
    planned: texts.discover.planned,
    ended: recorded ? texts.discover.recordedBadge : texts.discover.endedBadge,
  }[phase]
  return <span class={`badge ${phase}`}>{text}</span>
}
