import type { Context } from 'hono'
import { Counter, Gauge } from 'prom-client'
import { z } from 'zod'
import { describePrice } from '../../events/index.ts'
import {
  MediaUnavailable,
  mediaService,
  PICTURE_PATH,
  type Playlist,
  recordingOf,
  type Segment,
} from '../live-stream/backend.ts'
import { definePlugin, type Host } from '../plugin.ts'
import { audience } from './audience.ts'
import { gate, type Refusal } from './gate.ts'
import { oembedApi } from './oembed.ts'
import { isMediaPath, isPublicId } from './path.ts'
import { sendFile } from './range.ts'
import { recordingGate } from './recordings.ts'
import { forgetMinutes, viewerCount } from './viewers.ts'

const options = z.object({
  /** Network addresses that may watch on one session at the same time. */
  maxAddressesPerSession: z.int().min(1).default(3),
  /** How often it is kept who watches, and told to the companion announcement. */
  countSeconds: z.number().min(0.1).default(60),
  /** How long it is kept what each minute of a stream saw. */
  metricsDays: z.number().min(0).default(30),
})

/**
 * Serves HLS under /p/<ticket>/: an access token, or a stream's public id. The ticket stands in the path, so
 * relative URIs inherit it. Every playlist and every segment asks the session anew (docs/events.md, Reading).
 */
export default definePlugin({
  name: 'playback',
  options,
  setup(host, { maxAddressesPerSession, countSeconds, metricsDays }) {
    const count = viewerCount(host)
    let counting: NodeJS.Timeout | undefined
    let kept: Promise<void> = Promise.resolve()
    const viewers = audience(maxAddressesPerSession)
    const admit = gate(host)
    const admitToRecording = recordingGate(host, () => host.use(mediaService))
    const served = new Counter({
      name: 'sluice_playback_requests_total',
      help: 'Requests under /p/ by answer',
      labelNames: ['status'],
      registers: [host.metrics],
    })
    new Gauge({
      name: 'sluice_playback_viewers',
      help: 'Addresses that fetched media in the last 30 s',
      registers: [host.metrics],
      collect() {
        this.set(viewers.count(host.clock.now()))
      },
    })

    return {
      routes(app) {
        oembedApi(host)(app)
        app.options('/p/*', c => c.body(null, 204, { ...cors, 'Access-Control-Max-Age': '86400' }))
        app.get('/p/:ticket/:path{.+}', async c => {
          const response = await serve(c)
          served.inc({ status: response.status })
          return response
        })
      },
      jobs: {
        async retention() {
          const now = host.clock.now()
          await forgetMinutes(host.store, metricsDays, now)
          await retainAt(host, now + HOUR_MS)
        },
      },
      async start() {
        counting = setInterval(keepCount, countSeconds * 1000)
        await retainAt(host, host.clock.now() + 1000)
      },
      async close() {
        clearInterval(counting)
        await keepCount()
      },
    }

    async function serve(c: Context): Promise<Response> {
      const ticket = c.req.param('ticket') ?? ''
      const path = c.req.param('path') ?? ''
      if (!isMediaPath(path)) return refuse(c, { status: 404, error: 'there is no such file' })
      if (path === PICTURE_PATH) return servePicture(c, ticket)
      const recording = recordingOf(path)
      if (recording !== undefined) return serveRecording(c, ticket, path, recording)
      const now = host.clock.now()
      const admission = await admit(ticket, c.get('ip'), now)
      if (!admission.ok) return refuse(c, admission)
      if (!viewers.admit(admission.viewer, c.get('ip'), now)) {
        const error = `this session is playing on ${maxAddressesPerSession} devices already`
        return refuse(c, { status: 429, error })
      }
      const query = new URL(c.req.url).searchParams
      const { signal } = c.req.raw
      const media = host.use(mediaService)
      const file = await media.fetch(admission.streamId, path, query, signal).catch(unavailable)
      if (file === 'unavailable')
        return refuse(c, { status: 503, error: 'the media is not to be had now, try again' })
      if (!file || file.type === 'file') return refuse(c, missing)
      if (file.type === 'playlist') return playlist(c, file)
      // Asked again with the segment's own end: the playlist may have been fetched a while ago.
      const refusal =
        file.endMs === undefined ? undefined : admission.until(file.endMs, host.clock.now())
      if (refusal) return refuse(c, refusal)
      count.saw(admission.streamId, admission.viewer, file.body.byteLength, host.clock.now())
      return segment(c, file)
    }

    /** One after the other, whatever the disk says. */
    function keepCount(): Promise<void> {
      kept = kept
        .then(count.keep)
        .catch(error => host.log.warn({ cause: String(error) }, 'who watches was not kept'))
      return kept
    }

    /** The picture belongs to the announcement: whoever sees that sees this. */
    async function servePicture(c: Context, id: string): Promise<Response> {
      const { signal } = c.req.raw
      const file = isPublicId(id)
        ? await host.use(mediaService).fetch(id, PICTURE_PATH, new URLSearchParams(), signal)
        : undefined
      if (file?.type !== 'segment') return refuse(c, missing)
      return segment(c, file, 'public, max-age=15')
    }

    /** A recording is paid by nobody and counts as nobody's live viewer. */
    async function serveRecording(
      c: Context,
      ticket: string,
      path: string,
      name: string,
    ): Promise<Response> {
      const admission = await admitToRecording(ticket, name, host.clock.now())
      if (!admission.ok) return refuse(c, admission)
      const query = new URLSearchParams()
      const media = host.use(mediaService)
      const file = await media.fetch(admission.streamId, path, query, c.req.raw.signal)
      if (!file) return refuse(c, missing)
      if (file.type === 'file') return sendFile(c, file, { ...cors, 'Cache-Control': immutable })
      return file.type === 'playlist' ? playlist(c, file) : segment(c, file)
    }
  },
})

const HOUR_MS = 3_600_000
const retainAt = (host: Host, runAt: number): Promise<void> =>
  host.store.transaction(tx => tx.enqueue({ name: 'retention', key: 'all', runAt }))

/** Where the media comes from is down for a moment; anything else is our own failure. */
function unavailable(error: unknown): 'unavailable' {
  if (error instanceof MediaUnavailable) return 'unavailable'
  throw error
}

const missing: Refusal = { status: 404, error: 'there is no such file (any more)' }
const immutable = 'private, max-age=3600, immutable'
const cors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
  'Access-Control-Allow-Headers': 'Range',
  'Access-Control-Expose-Headers': 'Accept-Ranges, Content-Length, Content-Range',
}

const playlist = (c: Context, file: Playlist): Response =>
  c.body(file.text, 200, {
    ...cors,
    'Content-Type': 'application/vnd.apple.mpegurl',
    'Cache-Control': 'private, no-store',
  })

function segment(c: Context, file: Segment, caching = immutable): Response {
  return c.body(file.body as Uint8Array<ArrayBuffer>, 200, {
    ...cors,
    'Content-Type': file.contentType,
    'Cache-Control': caching,
  })
}

function refuse(c: Context, refusal: Refusal): Response {
  const { status, error, stream } = refusal
  const price = stream?.price && {
    amount: String(stream.price.amount),
    unit: stream.price.unit,
    asset: stream.price.asset,
    text: describePrice(stream.price),
  }
  const body = { error, ...(price ? { stream: stream.address, price } : {}) }
  return c.json(body, status, { ...cors, 'Cache-Control': 'no-store' })
}
