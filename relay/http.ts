import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { extname, join } from 'node:path'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import type { Logger, RelayHttp } from '../plugins/plugin.ts'

/** Everything a page may load: nothing inline, nothing from elsewhere but images. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' https: data:",
  "media-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "worker-src 'self' blob:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
}

/**
 * HTTP on the relay's port: NIP-11, pages, health and metrics; plugins add their routes. Every error is JSON
 * with one sentence, `{"error": "..."}`.
 */
export function createHttp(options: {
  /** The folder of the built pages. */
  webDir: string
  info(): object
  ready(): boolean
  metrics(): Promise<string>
  contentType: string
  ipOf(request: IncomingMessage): string
  log: Logger
  routes: readonly ((app: RelayHttp) => void)[]
}): RelayHttp {
  const app: RelayHttp = new Hono<{ Variables: { ip: string } }>()

  app.use('*', async (c, next) => {
    const { incoming } = c.env as HttpBindings
    c.set('ip', options.ipOf(incoming))
    if (/\\|\0|%00|%5c|%2f/i.test(new URL(c.req.url).pathname))
      return c.json({ error: 'this path holds characters that no path here has' }, 400)
    await next()
    c.header('Referrer-Policy', 'no-referrer')
    c.header('X-Content-Type-Options', 'nosniff')
  })

  app.get('/healthz', c => c.json({ ok: true }))
  app.get('/readyz', c =>
    options.ready() ? c.json({ ok: true }) : c.json({ error: 'the relay is draining' }, 503),
  )
  app.get('/metrics', async c =>
    c.body(await options.metrics(), 200, { 'Content-Type': options.contentType }),
  )
  for (const routes of options.routes) routes(app)

  // NIP-11 wants CORS on its document, and answers on any path that is asked for it.
  app.options('/', c => c.body(null, 204, corsForInfo))
  app.get('*', async (c, next) => {
    if (!c.req.header('accept')?.includes('application/nostr+json')) return next()
    return c.body(JSON.stringify(options.info()), 200, {
      ...corsForInfo,
      'Content-Type': 'application/nostr+json',
    })
  })
  app.get('*', c => page(options.webDir, new URL(c.req.url).pathname))

  app.notFound(c => c.json({ error: 'there is nothing here' }, 404))
  app.onError((error, c) => {
    options.log.error({ route: c.req.routePath, cause: error.message }, 'an HTTP request failed')
    return c.json({ error: 'the relay could not do this now, try again later' }, 500)
  })
  return app
}

const corsForInfo = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
}

/** A file of the build, or for a page's own paths its index.html. */
function page(webDir: string, pathname: string): Response {
  const isAsset = /^\/[\w-]+(\/[\w.-]+)*\.[a-z0-9]+$/.test(pathname) && !pathname.includes('..')
  const file = isAsset ? join(webDir, pathname) : join(webDir, 'index.html')
  if (!existsSync(file)) {
    const error = isAsset ? 'there is no such file' : 'the pages are not built: run npm run build'
    return Response.json({ error }, { status: 404 })
  }
  const hashed = pathname.startsWith('/assets/')
  return new Response(readFileSync(file), {
    headers: {
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      'Cache-Control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      'Content-Security-Policy': CSP,
    },
  })
}
