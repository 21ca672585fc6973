import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { account, external, type ProviderSession, type ProviderStream } from './account.ts'
import { providerApi } from './api.ts'
import { webhookCannon } from './cannon.ts'
import { faultQueue, send } from './faults.ts'
import { hashed, providerMedia } from './media.ts'

/** How late a `late` answer is, and what it does. */
const LATE_MS = 4000
/** Between the end of a session and its recording: the real one waits a minute, tests do not. */
const RECORDING_MS = 300

/**
 * A Livepeer provider on this machine: its exact wire (API, playback, webhooks), real media behind it, and faults at
 * will. Production code must not notice.
 *
 * @example
 * const livepeer = await startLivepeer()
 * process.env.LIVEPEER_API_KEY = livepeer.apiKey
 * livepeer.faults.add({ on: /^POST \/api\/stream$/, times: 1, how: 'lost' })
 */
export async function startLivepeer(
  options: { latencyMs?: number; firstRetryMs?: number; maxPage?: number } = {},
) {
  const apiKey = randomUUID()
  const webhookSecret = randomBytes(16).toString('hex')
  const provider = account()
  const faults = faultQueue()
  const requests: { line: string; at: number }[] = []
  const running = new Map<string, ProviderSession>()
  const cannon = webhookCannon({
    webhooks: () => provider.webhooks.values(),
    firstRetryMs: options.firstRetryMs ?? 5000,
  })

  const media = await providerMedia({
    allowed: key =>
      provider.present().find(one => !one.suspended && hashed(one.streamKey) === key)?.id,
    onActive: id => began(provider.streams.get(id)),
    onIdle: id => over(provider.streams.get(id)).catch(() => undefined),
  })

  function began(stream: ProviderStream | undefined): void {
    if (!stream || stream.isActive) return
    Object.assign(stream, { isActive: true, isHealthy: true, lastSeen: Date.now() })
    const { id: parentId, playbackId, name } = stream
    const session: ProviderSession = {
      id: randomUUID(),
      parentId,
      playbackId,
      name,
      record: stream.record ?? false,
      createdAt: Date.now(),
      lastSeen: 0,
      sourceSegmentsDuration: 0,
    }
    provider.sessions.set(session.id, session)
    running.set(stream.id, session)
    cannon.occur('stream.started', external(stream, false))
    if (session.record) cannon.occur('recording.started', external(stream, false), { session })
  }

  async function over(stream: ProviderStream | undefined): Promise<void> {
    if (!stream?.isActive) return
    Object.assign(stream, { isActive: false, lastSeen: Date.now() })
    cannon.occur('stream.idle', external(stream, false))
    const session = running.get(stream.id)
    running.delete(stream.id)
    if (!session) return
    session.lastSeen = Date.now()
    session.sourceSegmentsDuration = (session.lastSeen - session.createdAt) / 1000
    if (session.record) await keep(stream, session)
  }

  async function keep(stream: ProviderStream, session: ProviderSession): Promise<void> {
    session.recordingStatus = 'waiting'
    const shown = () => {
      const { media: _, ...rest } = session
      return rest
    }
    cannon.occur('recording.waiting', external(stream, false), { session: shown() })
    // The engine still writes out what it has.
    await new Promise(resolve => setTimeout(resolve, RECORDING_MS))
    session.media = await media.record(stream.id)
    session.recordingStatus = 'ready'
    session.recordingUrl = `/recordings/${session.id}/index.m3u8`
    session.mp4Url = `/recordings/${session.id}/source.mp4`
    const { recordingUrl, mp4Url } = session
    cannon.occur('recording.ready', external(stream, false), {
      recordingUrl,
      mp4Url,
      session: { ...shown(), assetId: session.id },
    })
  }

  let base = ''
  const app = providerApi({
    account: provider,
    apiKey,
    maxPage: options.maxPage ?? 1000,
    base: () => base,
    media,
    stopped: stream => void media.stop(stream.id).catch(() => undefined),
  })
  const server = createServer(async (request, response) => {
    const line = `${request.method} ${new URL(request.url ?? '', base).pathname}`
    requests.push({ line, at: Date.now() })
    const fault = faults.take(line)
    if (fault?.how === 'hang') return
    const body = await buffer(request).catch(() => Buffer.alloc(0))
    const wait = fault?.how === 'late' ? LATE_MS : options.latencyMs
    if (wait) await new Promise(resolve => setTimeout(resolve, wait))
    if (typeof fault?.how === 'object') {
      const { status, retryAfterSeconds } = fault.how
      const headers: Record<string, string> =
        retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }
      return send(response, Response.json({ errors: ['a fault at will'] }, { status, headers }))
    }
    await send(response, await app.fetch(webRequest(request, base, body)), fault)
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    /** For `liveStream.livepeer.serverUrl`. */
    url: `${base}/api`,
    base,
    apiKey,
    webhookSecret,
    rtmpUrl: media.rtmpUrl,
    faults,
    cannon,
    /** Every request so far, as `POST /api/stream`, and when it came. */
    requests,
    account: provider,
    streams: provider.present,
    /** Registers a webhook for all events, as the operator does on the dashboard. */
    hookTo(url: string) {
      const events = [
        'stream.started',
        'stream.idle',
        'recording.started',
        'recording.waiting',
        'recording.ready',
        'multistream.connected',
        'multistream.error',
        'multistream.disconnected',
      ]
      const webhook = {
        id: randomUUID(),
        name: 'sluice',
        url,
        events,
        sharedSecret: webhookSecret,
        createdAt: Date.now(),
      }
      provider.webhooks.set(webhook.id, webhook)
      return webhook
    },
    async close(): Promise<void> {
      await cannon.close()
      server.closeAllConnections()
      await new Promise(closed => server.close(closed))
      await media.close()
    },
  }
}
export type LivepeerServer = Awaited<ReturnType<typeof startLivepeer>>

function webRequest(request: IncomingMessage, base: string, body: Buffer): Request {
  const { method = 'GET', url = '/' } = request
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
  const sends = body.length > 0 && method !== 'GET' && method !== 'HEAD'
  return new Request(new URL(url, base), {
    method,
    headers: headers as [string, string][],
    body: sends ? new Uint8Array(body) : null,
  })
}
