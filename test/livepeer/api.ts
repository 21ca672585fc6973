import { generateKeyPairSync, randomUUID, verify } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { type Account, external, newStream, type ProviderStream, streamPatch } from './account.ts'
import type { ProviderMedia } from './media.ts'

const webhookShape = z.looseObject({
  name: z.string(),
  url: z.url(),
  events: z.array(z.string()),
  sharedSecret: z.string().optional(),
})

/** The provider's HTTP API and playback, below `/api` and `/hls`; answers as the real server does. */
export function providerApi(options: {
  account: Account
  apiKey: string
  /** The most that one page of a list holds. */
  maxPage: number
  base(): string
  media: Pick<ProviderMedia, 'file'>
  /** A stream was suspended, deleted or terminated: its media ends. */
  stopped(stream: ProviderStream): void
}): Hono {
  const { account, media } = options
  const app = new Hono()
  const errors = (c: Context, status: 400 | 401 | 403 | 404 | 422 | 429, ...what: string[]) =>
    c.json({ errors: what }, status)
  const missing = (c: Context) => errors(c, 404, 'not found')
  const known = (id: string): ProviderStream | undefined => {
    const stream = account.streams.get(id)
    return stream?.deleted ? undefined : stream
  }

  app.use('/api/*', async (c, next) => {
    if (c.req.path.startsWith('/api/playback/')) return next()
    const [, token] = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '') ?? []
    if (token === undefined) return errors(c, 401, 'no authorization token provided')
    return token === options.apiKey ? next() : errors(c, 401, `no token ${token} found`)
  })

  // Streams.
  app.get('/api/stream', c => {
    const query = c.req.query()
    const filters = z
      .array(z.object({ id: z.string(), value: z.unknown() }))
      .parse(JSON.parse(query.filters ?? '[]'))
    const name = filters.find(filter => filter.id === 'name')?.value
    const found = account
      .present()
      .filter(one => !query.active || query.active === 'false' || one.isActive)
      // Full text there means: contains, whatever the case.
      .filter(one => !name || one.name.toLowerCase().includes(String(name).toLowerCase()))
      .sort((a, b) => b.lastSeen - a.lastSeen || b.createdAt - a.createdAt)
    const limit = Math.min(Number(query.limit) || 20, options.maxPage)
    const skip = Number(query.cursor?.replace('skip', '') ?? 0)
    const page = found.slice(skip, skip + limit)
    if (page.length === limit) {
      const next = new URL(c.req.url)
      next.searchParams.set('cursor', `skip${skip + limit}`)
      c.header('Link', `<${next.href}>; rel="next"`)
    }
    return c.json(page.map(one => external(one, true)))
  })
  app.post('/api/stream', async c => {
    const wanted = newStream.safeParse(await c.req.json().catch(() => undefined))
    if (!wanted.success) return errors(c, 422, JSON.stringify(wanted.error.issues))
    return c.json(external(account.make(wanted.data), true), 201)
  })
  app.get('/api/stream/:id', c => {
    const stream = known(c.req.param('id'))
    return stream ? c.json(external(stream, true)) : missing(c)
  })
  app.patch('/api/stream/:id', async c => {
    const stream = known(c.req.param('id'))
    if (!stream) return missing(c)
    const patch = streamPatch.safeParse(await c.req.json().catch(() => undefined))
    if (!patch.success) return errors(c, 422, JSON.stringify(patch.error.issues))
    const { multistream, ...rest } = patch.data
    const sent = multistream && account.multistream(stream, multistream)
    if (typeof sent === 'string') return errors(c, 400, sent)
    Object.assign(stream, rest, sent && { multistream: sent })
    if (patch.data.suspended) options.stopped(stream)
    return c.body(null, 204)
  })
  app.delete('/api/stream/:id', c => {
    const stream = known(c.req.param('id'))
    if (!stream) return missing(c)
    stream.deleted = true
    options.stopped(stream)
    return c.body(null, 204)
  })
  app.delete('/api/stream/:id/terminate', c => {
    const stream = known(c.req.param('id'))
    if (!stream) return missing(c)
    if (Date.now() - (stream.lastTerminatedAt ?? 0) < 2000)
      return errors(c, 429, 'too many terminate requests')
    stream.lastTerminatedAt = Date.now()
    options.stopped(stream)
    return c.body(null, 204)
  })
  app.get('/api/stream/:id/sessions', c => {
    if (!account.streams.has(c.req.param('id'))) return missing(c)
    const mine = [...account.sessions.values()].filter(one => one.parentId === c.req.param('id'))
    return c.json(mine.reverse().map(({ media: _, ...session }) => session))
  })
  app.get('/api/session/:id', c => {
    const session = account.sessions.get(c.req.param('id'))
    if (!session) return missing(c)
    const { media: _, ...shown } = session
    const absolute = (path?: string) => path && options.base() + path
    return c.json({
      ...shown,
      recordingUrl: absolute(session.recordingUrl),
      mp4Url: absolute(session.mp4Url),
    })
  })

  // What streams are sent on to; the address is not shown again.
  app.get('/api/multistream/target/:id', c => {
    const target = account.targets.get(c.req.param('id'))
    if (!target) return missing(c)
    const { url: _, ...shown } = target
    return c.json(shown)
  })
  app.delete('/api/multistream/target/:id', c =>
    account.targets.delete(c.req.param('id')) ? c.body(null, 204) : missing(c),
  )

  // Who watches there; the real one answers for one playback id with one element.
  app.get('/api/data/views/now', c => {
    const playbackId = c.req.query('playbackId')
    const viewCount = account.views.get(playbackId ?? '') ?? 0
    return c.json([{ playbackId, viewCount, errorRate: 0 }])
  })

  // Webhooks and signing keys: 201, whatever the SDK expects.
  app.get('/api/webhook', c => c.json([...account.webhooks.values()]))
  app.post('/api/webhook', async c => {
    const wanted = webhookShape.safeParse(await c.req.json().catch(() => undefined))
    if (!wanted.success) return errors(c, 422, JSON.stringify(wanted.error.issues))
    const webhook = { ...wanted.data, id: randomUUID(), createdAt: Date.now() }
    account.webhooks.set(webhook.id, webhook)
    return c.json(webhook, 201)
  })
  app.post('/api/access-control/signing-key', async c => {
    const pair = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const base64 = (pem: string) => Buffer.from(pem).toString('base64')
    const { name = 'Signing Key 1' } = (await c.req.json().catch(() => ({}))) as { name?: string }
    const key = {
      id: randomUUID(),
      name,
      publicKey: base64(pair.publicKey),
      createdAt: Date.now(),
    }
    account.signingKeys.set(key.id, key)
    return c.json({ ...key, privateKey: base64(pair.privateKey) }, 201)
  })
  app.get('/api/access-control/signing-key', c => c.json([...account.signingKeys.values()]))

  // Playback.
  app.get('/api/playback/:id', c => {
    const id = c.req.param('id')
    const session = [...account.sessions.values()].find(one => one.id === id)
    const stream = account.present().find(one => one.playbackId === id && !one.suspended)
    if (!stream && !session?.recordingUrl) return errors(c, 404, `No playback URL found for ${id}`)
    const hls = {
      hrn: 'HLS (TS)',
      type: 'html5/application/vnd.apple.mpegurl',
      url: `${options.base()}${session?.recordingUrl ?? `/hls/${id}/index.m3u8`}`,
    }
    if (session) return c.json({ type: 'recording', meta: { source: [hls] } })
    const webrtc = {
      hrn: 'WebRTC (H264)',
      type: 'html5/video/h264',
      url: `${options.base()}/webrtc/${id}`,
    }
    return c.json({
      type: 'live',
      meta: {
        live: stream?.isActive ? 1 : 0,
        playbackPolicy: stream?.playbackPolicy ?? null,
        source: [hls, webrtc],
      },
    })
  })
  // The entrance sends players on to a node, as the real one does.
  app.get('/hls/:playbackId/index.m3u8', c => {
    const { search } = new URL(c.req.url)
    return c.redirect(`/node/hls/${c.req.param('playbackId')}/master.m3u8${search}`, 307)
  })
  app.get('/node/hls/:playbackId/:path{.+}', async c => {
    const playbackId = c.req.param('playbackId')
    const stream = account.present().find(one => one.playbackId === playbackId)
    if (!stream || stream.suspended) return c.text('Stream open failed', 404)
    if (stream.playbackPolicy?.type === 'jwt' && !unlocks(account, c.req.query('jwt'), playbackId))
      return c.text('Forbidden', 403)
    const file = await media.file(stream.id, c.req.param('path'))
    if (!file) return c.text('not found', 404)
    if (file.type === 'playlist')
      return c.body(file.text, 200, { 'Content-Type': 'application/vnd.apple.mpegurl' })
    return c.body(file.body as Uint8Array<ArrayBuffer>, 200, { 'Content-Type': file.contentType })
  })
  app.get('/recordings/:session/:name', c => {
    const { session, name } = c.req.param()
    const file = account.sessions.get(session)?.media?.get(name)
    if (!file) return c.text('not found', 404)
    return c.body(file.body as Uint8Array<ArrayBuffer>, 200, { 'Content-Type': file.contentType })
  })
  app.onError((error, c) => c.json({ errors: [error.message] }, 500))
  return app
}

/** Is this a token of one of the account's signing keys, for this playback id and now? */
function unlocks(account: Account, jwt: string | undefined, playbackId: string): boolean {
  const [header = '', claims = '', signature = ''] = (jwt ?? '').split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  try {
    const { action, pub, sub, video, exp } = read(claims)
    const owned = [...account.signingKeys.values()].some(key => key.publicKey === pub)
    if (read(header).alg !== 'ES256' || !owned || action !== 'pull' || sub !== playbackId)
      return false
    if (video !== 'none' || !(exp > Date.now() / 1000)) return false
    return verify(
      'sha256',
      Buffer.from(`${header}.${claims}`),
      { key: Buffer.from(pub, 'base64').toString(), dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    )
  } catch {
    return false
  }
}
