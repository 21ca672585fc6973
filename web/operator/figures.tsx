import { texts } from '../texts.ts'
import { Bars, Sparkline } from './charts.tsx'
import { pluginCosts, type Sample, total } from './metrics.ts'

const t = texts.operator
type History = readonly (readonly Sample[])[]

const MB = 1_048_576

/** Each: its name, its value in one moment's metrics, how that is said. */
const figures: readonly [string, (now: readonly Sample[]) => number, (value: number) => string][] =
  [
    [t.connections, now => total(now, 'sluice_connections'), String],
    [t.live, now => total(now, 'sluice_streams', { status: 'live' }), String],
    [t.viewers, now => total(now, 'sluice_playback_viewers'), String],
    [t.sessions, now => total(now, 'sluice_payment_sessions_open'), String],
    [
      t.lag,
      now => total(now, 'nodejs_eventloop_lag_p99_seconds') * 1000,
      value => t.ms(value.toFixed(0)),
    ],
    [
      t.memory,
      now => total(now, 'process_resident_memory_bytes') / MB,
      value => t.mb(value.toFixed(0)),
    ],
    [t.jobs, now => total(now, 'sluice_jobs', { state: 'waiting' }), String],
    [t.dead, now => total(now, 'sluice_jobs', { state: 'dead' }), String],
  ]

/** The relay's pulse, each figure with how it moved while one looks. */
export function Figures(props: { history: History; sessions: Readonly<Record<string, number>> }) {
  const { history, sessions } = props
  const newest = history.at(-1)
  if (!newest) return null
  const states = Object.entries(sessions)
  return (
    <section aria-labelledby="status">
      <h2 id="status" class="visually-hidden">
        {t.status}
      </h2>
      <ul class="tiles">
        {figures.map(([name, read, say]) => (
          <li key={name}>
            <span class="muted">{name}</span>
            <strong>{say(read(newest))}</strong>
            <Sparkline values={history.map(read)} text={`${name}: ${say(read(newest))}`} />
          </li>
        ))}
      </ul>
      {states.length > 0 && (
        <p class="hint">
          {t.sessionStates}{' '}
          {states.map(([state, count]) => `${count} ${state.toLowerCase()}`).join(', ')}
        </p>
      )}
    </section>
  )
}

/** What each plugin takes of an event's time. */
export function PolicyTimes({ history }: { history: History }) {
  const newest = history.at(-1)
  const costs = newest ? pluginCosts(newest) : []
  if (costs.length === 0) return null
  return (
    <section class="panel" aria-labelledby="policies">
      <h2 id="policies">{t.policies}</h2>
      <p class="hint">{t.policiesHelp}</p>
      <Bars
        rows={costs.map(({ name, calls, averageMs }) => ({
          name,
          value: averageMs,
          text: t.cost(averageMs.toFixed(3), Math.round(calls)),
        }))}
      />
    </section>
  )
}
