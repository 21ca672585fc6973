import type { Context } from 'hono'
import { Counter, Gauge } from 'prom-client'
import { z } from 'zod'
import { describePrice } from '../../events/index.ts'
import {
  MediaUnavailable,
  mediaService,
  type Playlist,
  type Segment,
} from '../live-stream/backend.ts'
import { definePlugin, type Host } from '../plugin.ts'
import { audience } from './audience.ts'
import { type Admission, gate, type Refusal } from './gate.ts'
import { oembedApi } from './oembed.ts'
import { isMediaPath } from './path.ts'

const options = z.object({
  /** Network addresses that may watch on one session at the same time. */
  maxAddressesPerSession: z.int().min(1).default(3),
})

/**
 * Serves HLS under /p/<ticket>/: an access token, or a stream's public id. The ticket stands in the path, so
 * relative URIs inherit it. Every playlist and every segment asks the session anew (docs/events.md, Reading).
 */
export default definePlugin({
  name: 'playback',
  options,
  setup(host, { maxAddressesPerSession }) {
    const viewers = audience(maxAddressesPerSession)
    const admit = gate(host)
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
    }

    async function serve(c: Context): Promise<Response> {
      const ticket = c.req.param('ticket') ?? ''
      const path = c.req.param('path') ?? ''
      if (!isMediaPath(path)) return refuse(c, { status: 404, error: 'there is no such file' })
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
      if (!file) return refuse(c, { status: 404, error: 'there is no such file (any more)' })
      return file.type === 'playlist' ? playlist(c, file) : segment(c, file, admission, host)
    }
  },
})

/** Where the media comes from is down for a moment; anything else is our own failure. */
function unavailable(error: unknown): 'unavailable' {
  if (error instanceof MediaUnavailable) return 'unavailable'
  throw error
}

const cors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
  'Access-Control-Allow-Headers': 'Range',
}

const playlist = (c: Context, file: Playlist): Response =>
  c.body(file.text, 200, {
    ...cors,
    'Content-Type': 'application/vnd.apple.mpegurl',
    'Cache-Control': 'private, no-store',
  })

function segment(c: Context, file: Segment, admission: Admission, host: Host): Response {
  // Asked again with the segment's own end: the playlist may have been fetched a while ago.
  const refusal =
    file.endMs === undefined ? undefined : admission.until(file.endMs, host.clock.now())
  if (refusal) return refuse(c, refusal)
  return c.body(file.body as Uint8Array<ArrayBuffer>, 200, {
    ...cors,
    'Content-Type': file.contentType,
    'Cache-Control': 'private, max-age=3600, immutable',
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
