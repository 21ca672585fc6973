import { moment } from '../app/format.ts'
import { texts } from '../texts.ts'
import type { Sample } from './metrics.ts'
import { Table } from './table.tsx'
import type { SlowMinute } from './use-operator.ts'

const t = texts.operator

/** What clients waited for too long, the newest first; `now` says what counts as that. */
export function Slow({ calls, now }: { calls: readonly SlowMinute[]; now: readonly Sample[] }) {
  const limit = now.find(({ name }) => name === 'sluice_slow_threshold_seconds')
  // Beside strfry nobody waits for us.
  if (!limit) return null
  const limitMs = Math.round(limit.value * 1000)
  return (
    <section class="panel wide" aria-labelledby="slow">
      <h2 id="slow">{t.slow}</h2>
      <p class="hint">{limitMs === 0 ? t.slowOff : t.slowHelp(t.ms(String(limitMs)))}</p>
      {calls.length === 0 ? (
        limitMs > 0 && <p class="well">{t.nothingSlow}</p>
      ) : (
        <Table labelledBy="slow" columns={t.slowColumns}>
          {calls.map(call => (
            <Row key={`${call.at} ${call.plugin} ${call.hook}`} call={call} />
          ))}
        </Table>
      )}
    </section>
  )
}

function Row({ call }: { call: SlowMinute }) {
  const { at, plugin, hook, ms, calls, event, filters } = call
  return (
    <tr>
      <td class="when">{moment(at)}</td>
      <td>
        {plugin} <span class="muted">{hook}</span>
      </td>
      <td class="number">{t.ms(String(ms))}</td>
      <td class="number" data-label={t.slowCount}>
        {calls}
      </td>
      <td class="wide break">
        {event && t.slowEvent(event.kind)} <code>{event?.id ?? filters}</code>
      </td>
    </tr>
  )
}
