import { useEffect, useState } from 'preact/hooks'
import type { NostrEvent } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import type { Operator } from './use-operator.ts'

const t = texts.operator

interface Report {
  readonly id: string
  readonly reason: string
}

/** What people reported and nobody has judged yet (NIP-86, listeventsneedingmoderation). */
export function Reports({ operator }: { operator: Operator }) {
  const { relay } = useApp()
  const [reports, setReports] = useState<readonly Report[]>([])
  const [events, setEvents] = useState<ReadonlyMap<string, NostrEvent>>(new Map())
  const load = async () => {
    const found = ((await operator.run('listeventsneedingmoderation')) ?? []) as Report[]
    setReports(found)
    if (found.length === 0) return
    const named = await relay.query([{ ids: found.map(({ id }) => id) }]).catch(() => [])
    setEvents(new Map(named.map(event => [event.id, event])))
  }
  useEffect(() => {
    void load()
  }, [operator.changes])
  return (
    <section class="panel" aria-labelledby="reports">
      <h2 id="reports">{t.reports}</h2>
      {reports.length === 0 ? (
        <p class="hint">{t.noReports}</p>
      ) : (
        <ul class="reports">
          {reports.map(({ id, reason }) => {
            const event = events.get(id)
            return (
              <li key={id}>
                <p class="break">
                  {event && (
                    <strong>
                      <Name pubkey={event.pubkey} />{' '}
                    </strong>
                  )}
                  {event?.content || id.slice(0, 16)}
                </p>
                <p class="hint">{reason}</p>
                <div class="actions">
                  <button
                    type="button"
                    class="button small stop"
                    onClick={() => operator.run('banevent', id, reason)}
                  >
                    {t.banEvent}
                  </button>
                  {event && (
                    <button
                      type="button"
                      class="button small stop"
                      onClick={() => operator.run('banpubkey', event.pubkey, reason)}
                    >
                      {t.banPubkey}
                    </button>
                  )}
                  <button
                    type="button"
                    class="button small"
                    onClick={() => operator.run('allowevent', id)}
                  >
                    {t.allowEvent}
                  </button>
                </div>
              </li>
            )
          })}
        </ul>
      )}
    </section>
  )
}
