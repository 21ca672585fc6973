import type { Host, Tx } from '../../plugin.ts'
import type { MediaEvent } from '../backend.ts'
import type { LivepeerApi } from './provider/api.ts'
import { providerRecords } from './record.ts'

const FIRST_WAIT_MS = 5000
const LONGEST_WAIT_MS = 10 * 60_000
const HOUR_MS = 3_600_000

/**
 * The job that looks for a stream's recording until it is ready: at once when a webhook says so, else with growing pauses.
 * `done` runs when there is nothing more to wait for.
 */
export function recordingSeeker(options: {
  host: Host
  api: LivepeerApi
  keepHours: number
  follow(tx: Tx, event: MediaEvent): Promise<void>
  done(id: string): Promise<void>
}) {
  const { host, api, follow } = options
  const { store, clock, log } = host

  return async ({ key: id, payload }: { key: string; payload: string }): Promise<void> => {
    const record = await providerRecords.get(store, id)
    if (!record) return
    const began = Number(payload || clock.now())
    const sessions = await api.sessions(record.providerId)
    const newest = sessions.find(one => one.recordingStatus && one.recordingStatus !== 'none')
    const url = newest?.recordingStatus === 'ready' ? await api.recordingUrl(newest) : undefined
    const waited = clock.now() - began
    if (url === undefined && waited < options.keepHours * HOUR_MS) {
      const runAt = clock.now() + Math.min(Math.max(waited, FIRST_WAIT_MS), LONGEST_WAIT_MS)
      const again = { name: 'livepeer-recording', key: id, payload: String(began), runAt }
      return store.transaction(tx => tx.enqueue(again))
    }
    await store.transaction(async tx => {
      const now = await providerRecords.get(tx, id)
      // Pushed to again meanwhile: that session's recording is still to come.
      if (now && !now.active) await providerRecords.put(tx, id, { ...now, recording: false })
      if (url) await follow(tx, { type: 'recording', id, at: clock.now(), url })
    })
    log[url ? 'info' : 'warn'](
      { id },
      url ? 'a recording is ready' : 'a recording never became ready',
    )
    await options.done(id)
  }
}
