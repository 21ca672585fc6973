import type { StreamStatus } from '../../client/host-api.ts'
import { clockTime, duration } from '../app/format.ts'
import { texts } from '../texts.ts'

const t = texts.goLive
const SHOWN = 5

/** How the media is: what is wrong now, and what went wrong before. */
export function HealthPanel({ status }: { status: StreamStatus }) {
  const { problem, errors, liveSeconds } = status
  return (
    <section class="panel" aria-labelledby="health">
      <h2 id="health">{t.health}</h2>
      <p class={problem ? 'problem' : 'well'} role="status">
        {problem ?? t.well(duration(liveSeconds))}
      </p>
      {errors.length > 0 && (
        <ul class="errors">
          {errors.slice(0, SHOWN).map(({ at, lastAt, times, cause }) => (
            <li key={`${at} ${cause}`}>
              <time class="muted">{clockTime(lastAt)}</time> {cause}
              {times > 1 && <span class="muted"> {t.times(times)}</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
