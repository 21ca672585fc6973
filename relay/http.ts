import { createServer, type IncomingMessage, type Server } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { Registry } from 'prom-client'
import type { Logger, RelayHttp } from '../plugins/plugin.ts'
import type { LoadedPlugin } from './host.ts'
import { pages } from './pages.ts'
import type { PublicEvents } from './public-events.ts'
import { streamCard } from './stream-card.ts'

/** No route here takes more; each has its own limit below this one. */
const MAX_BODY_BYTES = 1 << 20

/** Serves what `fetch` answers, and cuts who is slow to say what it wants. */
export const httpServer = (
  fetch: Parameters<typeof getRequestListener>[0],
  { headersMs = 10_000, requestMs = 30_000 }: { headersMs?: number; requestMs?: number } = {},
): Server =>
  createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: 30_000,
      // Node looks every 30 s by itself: a slow client would have three times what it is given.
      connectionsCheckingInterval: headersMs / 4,
    },
    getRequestListener(fetch),
  )

/**
 * HTTP on the relay's port: NIP-11, pages, health and metrics; plugins add their routes. Every error is JSON
 * with one sentence, `{"error": "..."}`.
 */
export function createHttp(options: {
  /** The folder of the built pages. */
  webDir: string
  /** The public http(s) origin. */
  origin(): string
  /** The relay's pubkey. */
  self: string
  /** What pages may say of streams. */
  read: PublicEvents
  info(): object
  ready(): boolean
  /** The relay's own; the plugins' stand beside it. */
  metrics: Registry
  ipOf(request: IncomingMessage): string
  log: Logger
  plugins: readonly Pick<LoadedPlugin, 'hooks' | 'metrics'>[]
}): RelayHttp {
  const app: RelayHttp = new Hono<{ Variables: { ip: string } }>()

  app.use('*', async (c, next) => {
    const { incoming, outgoing } = c.env as HttpBindings
    c.set('ip', options.ipOf(incoming))
    // On Node's answer, for all that is said from here on: hono's would be taken apart and built anew.
    outgoing.setHeader('Referrer-Policy', 'no-referrer')
    outgoing.setHeader('X-Content-Type-Options', 'nosniff')
    if (/\\|\0|%00|%5c|%2f/i.test(new URL(c.req.url).pathname))
      return c.json({ error: 'this path holds characters that no path here has' }, 400)
    return next()
  })

  const tooLarge = (c: Context) =>
    c.json({ error: `a body has at most ${MAX_BODY_BYTES} bytes here` }, 413)
  const withinLimit = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })
  // hono's limit builds a second request around each body. Node reads no further than a Content-Length, so only a body that
  // comes without one is counted as it comes; and what has no body is not asked for one.
  app.use('*', async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
    const length = c.req.header('content-length')
    if (length === undefined) return withinLimit(c, next)
    return Number(length) > MAX_BODY_BYTES ? tooLarge(c) : next()
  })

  app.get('/healthz', c => c.json({ ok: true }))
  app.get('/readyz', c =>
    options.ready() ? c.json({ ok: true }) : c.json({ error: 'the relay is draining' }, 503),
  )
  const { metrics, plugins } = options
  app.get('/metrics', async c => {
    const all = Registry.merge([metrics, ...plugins.map(plugin => plugin.metrics)])
    return c.body(await all.metrics(), 200, { 'Content-Type': metrics.contentType })
  })
  for (const { hooks } of plugins) hooks.routes?.(app)

  // NIP-11 wants CORS on its document, and answers on any path that is asked for it.
  app.options('/', c => c.body(null, 204, corsForInfo))
  app.get('*', async (c, next) => {
    if (!c.req.header('accept')?.includes('application/nostr+json')) return next()
    return c.body(JSON.stringify(options.info()), 200, {
      ...corsForInfo,
      'Content-Type': 'application/nostr+json',
    })
  })
  const { webDir, origin, self, read } = options
  const page = pages({
    webDir,
    origin,
    site: () => (options.info() as { name?: string }).name || 'Sluice',
    card: (naddr, ip) => streamCard(naddr, { read, self, origin: origin(), ip }),
  })
  app.get('*', c =>
    page(new URL(c.req.url).pathname, {
      accepted: c.req.header('accept-encoding') ?? '',
      ip: c.get('ip'),
    }),
  )

  app.notFound(c => c.json({ error: 'there is nothing here' }, 404))
  app.onError((error, c) => {
    options.log.error({ route: c.req.routePath, cause: error.message }, 'an HTTP request failed')
    return c.json({ error: 'the relay could not do this now, try again later' }, 500)
  })
  return app
}

const corsForInfo = {
  'Access-Control-Allow-Origin': '*',
  // The star does not stand for Authorization.
  'Access-Control-Allow-Headers': '*, Authorization',
  'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
}
