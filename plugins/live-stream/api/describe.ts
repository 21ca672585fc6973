import { audiences } from '../../playback/viewers.ts'
import type { Host } from '../../plugin.ts'
import type { RestreamTarget } from '../backend.ts'
import { publicUrl } from '../companion.ts'
import { currentGrant } from '../host-grant.ts'
import { phaseOf } from '../lifecycle.ts'
import { type HostSettings, restreamStates } from '../settings.ts'
import { type LiveStream, streamClock } from '../stream.ts'
import { errorsOf } from '../trouble.ts'
import type { StreamStatus } from './shapes.ts'

/** Streams as the API shows them. */
export function describer(host: Host, hostSettings: HostSettings) {
  const { store, clock } = host

  async function viewersOf(id: string) {
    const { concurrent = 0, peak = 0, total = 0 } = (await audiences.get(store, id)) ?? {}
    return { concurrent, peak, total }
  }

  async function stream(one: LiveStream) {
    return {
      id: one.id,
      address: one.address,
      title: one.title,
      phase: phaseOf(one),
      starts: one.starts,
      liveSince: seconds(one.liveSince),
      liveSeconds: Math.floor(streamClock(one, clock.now()) / 1000),
      endedAt: seconds(one.endedAt),
      playbackUrl: publicUrl(host.urls().http, one.id),
      recording: one.recording,
      viewers: await viewersOf(one.id),
    }
  }

  /** `withKey`: for its host; nobody else ever sees where media is sent. */
  async function status(one: LiveStream, withKey: boolean): Promise<StreamStatus> {
    const grant = withKey ? await currentGrant(host, store, one) : undefined
    const errors = await errorsOf(store, one.id)
    return {
      ...(await stream(one)),
      ingest: grant?.ingest,
      problem: one.problem,
      restream: await targets(one),
      errors: errors.map(error => ({
        ...error,
        at: seconds(error.at),
        lastAt: seconds(error.lastAt),
      })),
    }
  }

  async function target(one: LiveStream, { id, name, url }: RestreamTarget) {
    const known = await restreamStates.get(store, `${one.id}/${id}`)
    return {
      id,
      name,
      server: url.slice(0, url.lastIndexOf('/')).replace(/\/\/[^/@]*@/, '//'),
      state: known?.state ?? ('waiting' as const),
      problem: known?.problem,
      at: seconds(known?.at),
    }
  }

  const targets = async (one: LiveStream) =>
    Promise.all((await hostSettings.targetsOf(store, one)).map(wanted => target(one, wanted)))

  return { stream, status, target, targets, viewersOf }
}

function seconds(ms: number): number
function seconds(ms: number | undefined): number | undefined
function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms / 1000)
}
